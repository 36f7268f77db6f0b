#pragma once

#include <filesystem>

#include <unistd.h>

#include "nodes/native_connection.hpp"
#include "test/fixture.hpp"
#include "test/nodes/fake_home.hpp"

namespace sotto::test {

/// Keeps what it is asked, and answers no turn.
struct native_world : fake_home {
  std::vector<asked_turn> turns;
  /// Of turns that were given up: whether their client was lost.
  std::vector<bool> cancelled;
  std::vector<memory_write> writes;
  std::vector<owner_key> asked;
  std::vector<std::pair<owner_key, subscription>> events;

  using fake_home::forget;
  caf::result<std::vector<recalled>> recall(partition, const memory_query& x) override {
    asked.push_back(x.owner);
    recalled found;
    found.what.text = "found";
    return std::vector<recalled>{found};
  }
  memory_receipt remember(memory_write x) override {
    writes.push_back(std::move(x));
    memory_receipt receipt;
    receipt.ids = {"m"};
    return receipt;
  }
  caf::result<forget_receipt> forget(partition self, const owner_key& x) override {
    asked.push_back(x);
    return fake_home::forget(self, x);
  }
  void subscribe(const event_client_actor&, const owner_key& owner, const std::string&,
                 const subscription& x) override {
    events.emplace_back(owner, x);
  }
  void say(admission, const context&, asked_turn x) override { turns.push_back(std::move(x)); }
  void cancel(admission, const context&, const turn_client_actor&, uint64_t, bool lost) override {
    cancelled.push_back(lost);
  }
};

using world_ptr = std::shared_ptr<native_world>;

/// What the node wrote to a frontend's socket.
class fake_native_channel final : public native_channel {
public:
  void frame(std::string bytes) override {
    auto& x = frames.emplace_back();
    REQUIRE_FALSE(from_bytes(bytes.substr(native_head), x));
  }
  void close() override { closed = true; }
  void taken(size_t frames, size_t bytes) override {
    frames_taken += frames;
    bytes_taken += bytes;
  }
  void let_in() override { in = true; }
  size_t unsent() const override { return 0; }

  /// The latest answer of this kind.
  template <class T>
  const T* last() const {
    for (auto at = frames.rbegin(); at != frames.rend(); ++at)
      if (auto* x = std::get_if<T>(&at->body))
        return x;
    return nullptr;
  }
  std::string why() const {
    auto* x = last<failure>();
    return x ? x->message : "";
  }

  std::vector<native_answer_frame> frames;
  bool closed = false, in = false;
  size_t frames_taken = 0, bytes_taken = 0;
};

/// Frontends of a node whose only partition and ADMISSION are fakes.
class native_fixture : public frozen_system {
public:
  native_fixture() : world(std::make_shared<native_world>()) {
    with.personas.emplace_back().name = "companion";
    with.gateway.max_in_flight = 2;
    with.gateway.max_calls = 4;
    with.edge.keys_file = (folder / "keys.json").string();
    std::filesystem::create_directories(folder);
  }

  ~native_fixture() {
    if (to) {
      to->partitions.clear();
      to->admission = admission_actor{};
    }
    std::filesystem::remove_all(folder);
  }

  std::string make_key(const std::function<void(api_key&)>& change) {
    api_key x;
    x.tenant = "acme";
    change(x);
    auto made = sotto::make_key(std::move(x));
    keys.push_back(made->record);
    REQUIRE_FALSE(write_keys(with.edge.keys_file, keys));
    return made->text;
  }

  struct socket {
    native_connection_actor actor;
    std::shared_ptr<fake_native_channel> channel;
    uint64_t number = 0;
  };

  socket open(frontend_holder who = {"bot", ""}) {
    if (!to) {
      to = std::make_shared<gateway_handles>(with, *services);
      to->partitions.fill(1, {});
      to->partitions.set(0, spawn(fake_partition, world), true);
      to->admission = spawn(fake_admission, world);
      door = std::make_unique<sotto::access>(with.edge, "127.0.0.1:0", services->metrics);
      REQUIRE_FALSE(door->open());
    }
    auto parts = std::make_shared<native_parts>();
    parts->to = to;
    parts->door = door.get();
    parts->node = "n1";
    parts->places = places;
    socket x;
    x.channel = std::make_shared<fake_native_channel>();
    x.actor = spawn(native_connection, std::shared_ptr<const native_parts>{parts},
                    std::shared_ptr<native_channel>{x.channel}, std::move(who));
    return x;
  }

  void bytes(const socket& at, std::string x) {
    caf::anon_send(at.actor, context{}, atom::frame_v, std::move(x));
    run();
  }

  uint64_t send(socket& at, native_call body, priority level = priority::normal) {
    native_call_frame x;
    x.number = ++at.number;
    x.ctx.level = level;
    x.level_given = true;
    x.body = std::move(body);
    bytes(at, to_bytes(x).substr(native_head));
    return x.number;
  }

  void cancel(const socket& at, uint64_t number) {
    native_call_frame x;
    x.number = number;
    x.body = native_cancel{};
    bytes(at, to_bytes(x).substr(native_head));
  }

  socket welcome(const std::string& key = {}, frontend_holder who = {"bot", ""},
                 const std::string& tenant = {}) {
    auto x = open(std::move(who));
    native_hello hello;
    hello.key = key;
    hello.tenant = tenant;
    send(x, hello);
    return x;
  }

  static turn_request turn(const std::string& user = "ada") {
    turn_request x;
    x.owner = {"another tenant", user};
    x.text = "hello";
    return x;
  }

  void answer(size_t turn) {
    turn_reply reply;
    reply.text = "hi";
    auto& x = world->turns.at(turn);
    caf::anon_send(x.client, context{}, atom::completed_v, x.ticket, std::move(reply));
    run();
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("sotto_native_" + std::to_string(::getpid()));
  options with;
  world_ptr world;
  std::vector<api_key> keys;
  std::shared_ptr<gateway_handles> to;
  std::unique_ptr<sotto::access> door;
  std::shared_ptr<native_places> places;
};

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace sotto::test
