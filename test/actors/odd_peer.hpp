#pragma once

#include "runtime/message_bytes.hpp"
#include "test/actors/link_fixture.hpp"

namespace sotto::test {

/// What a LINK told a peer that the test plays.
struct odd_world {
  link_peer_actor link;
  uint64_t session = 0;
  std::vector<link_frame> frames;
};

inline link_peer_actor::behavior_type odd_end(link_peer_actor::pointer,
                                              std::shared_ptr<odd_world> w) {
  return {
      [=](const context&, atom::welcome, const link_hello&, uint64_t session,
          const caf::strong_actor_ptr& link) {
        w->session = session;
        w->link = caf::actor_cast<link_peer_actor>(link);
      },
      [](const context&, atom::refused, uint64_t, const failure&) {},
      [=](const context&, atom::frames, uint64_t, const std::vector<link_frame>& xs) {
        w->frames.insert(w->frames.end(), xs.begin(), xs.end());
      },
      [](const context&, atom::credit, uint64_t, uint64_t, uint64_t) {},
  };
}

/// One run of node `a`, played by the test: says to `b` what it likes.
class odd_peer {
public:
  odd_peer(link_fixture& f, uint64_t session) : f_(f), end_(f.spawn(odd_end, world_)) {
    link_hello who;
    who.cluster = "one";
    who.node = "a";
    who.window = 1024;
    who.window_bytes = 1 << 20;
    caf::anon_send<caf::message_priority::high>(f.b.links, context{}, atom::hello_v, who, session,
                                                caf::actor_cast<caf::strong_actor_ptr>(end_));
    f.run();
  }

  ~odd_peer() { world_->link = link_peer_actor{}; }

  void say(link_frame x) {
    caf::anon_send<caf::message_priority::high>(world_->link, context{}, atom::frames_v,
                                                world_->session,
                                                std::vector<link_frame>{std::move(x)});
    f_.run();
  }

  /// A frame about call `number` that says `what`.
  link_frame frame(frame_kind kind, uint64_t number, const caf::message& what = {}) {
    link_frame x;
    x.kind = kind;
    x.number = number;
    if (!what.empty())
      x.bytes = message_to_bytes(*f_.system, what);
    return x;
  }

  void ask_turn(uint64_t number, std::string text, std::string key = "", int64_t left = 0) {
    auto what = f_.request(std::move(text), "companion", "ada", true);
    what.idempotency_key = std::move(key);
    auto x =
        frame(frame_kind::call, number, caf::make_message(f_.flow(), atom::say_v, std::move(what)));
    x.left = left;
    say(std::move(x));
  }

private:
  std::shared_ptr<odd_world> world_ = std::make_shared<odd_world>();
  link_fixture& f_;
  link_peer_actor end_;

public:
  /// What the LINK sent.
  std::vector<link_frame>& frames = world_->frames;
};

} // namespace sotto::test
