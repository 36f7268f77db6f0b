#pragma once

#include "nodes/connection.hpp"
#include "test/fixture.hpp"
#include "test/nodes/fake_home.hpp"

namespace sotto::test {

using json = nlohmann::json;

struct asked_events {
  owner_key owner;
  subscription what;
};

/// Keeps what it is asked, and answers no turn.
struct partition_world : fake_home {
  std::vector<asked_turn> turns;
  std::vector<asked_events> events;
  int cancelled = 0;
  std::vector<spoken_by> spoken;
  /// Which of them fails, counted from 1.
  size_t spoken_fails = 0;

  using fake_home::forget;
  caf::result<spoken_receipt> forget(const spoken_by& x) override {
    spoken.push_back(x);
    if (spoken.size() == spoken_fails)
      return to_error({ec::unavailable, "broken on purpose", {}, 1});
    return spoken_receipt{{}, 2};
  }
  void subscribe(const event_client_actor&, const owner_key& owner, const std::string&,
                 const subscription& x) override {
    events.push_back({owner, x});
  }
  void say(admission, const context&, asked_turn x) override { turns.push_back(std::move(x)); }
  void cancel(admission, const context&, const turn_client_actor&, uint64_t, bool) override {
    ++cancelled;
  }
};

using world_ptr = std::shared_ptr<partition_world>;

/// What the node wrote to a socket.
class fake_channel final : public reply_channel {
public:
  void respond(http_answer) override {}
  void begin(http_answer) override {}
  void piece(std::string bytes) override { pieces += bytes; }
  void end() override { ended = true; }
  void frame(std::string bytes) override { frames.push_back(json::parse(bytes)); }
  void close(uint16_t code, std::string) override { closed = code; }
  void taken(size_t frames, size_t bytes) override {
    frames_taken += frames;
    bytes_taken += bytes;
  }
  size_t unsent() const override { return waiting; }

  std::vector<json> of_type(const std::string& type) const {
    std::vector<json> result;
    std::copy_if(frames.begin(), frames.end(), std::back_inserter(result),
                 [&](auto& x) { return x["type"] == type; });
    return result;
  }

  std::vector<json> frames;
  /// Of an HTTP answer.
  std::string pieces;
  bool ended = false;
  uint16_t closed = 0;
  size_t frames_taken = 0, bytes_taken = 0, waiting = 0;
};

/// Sockets of a gateway whose only partition is a fake.
class socket_fixture : public frozen_system {
public:
  socket_fixture() : world(std::make_shared<partition_world>()) {
    options with;
    with.personas.emplace_back();
    with.gateway.max_in_flight = 2;
    with.gateway.max_calls = 8;
    with.gateway.max_subscriptions = 3;
    to = std::make_shared<gateway_handles>(with, *services);
    to->partitions.fill(1, {});
    to->partitions.set(0, spawn(fake_partition, world), true);
    to->admission = spawn(fake_admission, world);
  }

  ~socket_fixture() {
    to->partitions.clear();
    to->admission = admission_actor{};
  }

  struct socket {
    connection_actor actor;
    std::shared_ptr<fake_channel> channel;
  };

  socket open() {
    socket x;
    x.channel = std::make_shared<fake_channel>();
    x.actor = spawn(connection, to, std::shared_ptr<reply_channel>{x.channel});
    caf::anon_send(x.actor, context{}, atom::upgrade_v, true);
    run();
    return x;
  }

  size_t send(const socket& to, const json& call) {
    auto bytes = call.dump();
    caf::anon_send(to.actor, context{}, atom::frame_v, bytes);
    run();
    return bytes.size();
  }

  size_t say(const socket& to, const std::string& user, json more = json::object()) {
    json call{{"id", user}, {"type", "say"}, {"body", {{"user", user}, {"text", "hello"}}}};
    call.update(more);
    return send(to, call);
  }

  void answer(size_t turn, std::string text = "hi") {
    turn_reply reply;
    reply.text = std::move(text);
    auto& x = world->turns.at(turn);
    caf::anon_send(x.client, context{}, atom::completed_v, x.ticket, std::move(reply));
    run();
  }

  void piece(size_t turn, uint64_t offset, std::string text) {
    auto& x = world->turns.at(turn);
    caf::anon_send(x.client, context{}, atom::token_v, x.ticket,
                   stream_piece{offset, std::move(text)});
    run();
  }

  void tell(const socket& to, session_event x) {
    x.owner = {"default", "ada"};
    x.conversation = "ada";
    caf::anon_send(to.actor, flow(), atom::event_v, std::move(x));
    run();
  }

  std::vector<std::string> users() const {
    std::vector<std::string> result;
    for (auto& x : world->turns)
      result.push_back(x.request.owner.owner);
    return result;
  }

  world_ptr world;
  std::shared_ptr<gateway_handles> to;
};

} // namespace sotto::test
