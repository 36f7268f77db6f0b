#pragma once

#include <mutex>

#include <catch2/catch.hpp>

#include "client/client.hpp"
#include "nodes/native_connection.hpp"
#include "nodes/native_server.hpp"
#include "test/actors/link_process.hpp"
#include "test/nodes/fake_home.hpp"

namespace sotto::test {

using namespace std::chrono_literals;

/// What a node does with the calls of frontends, on threads of its own.
struct node_script : fake_home {
  std::mutex mutex;
  std::vector<turn_request> turns;
  /// Of each turn: what is told of it, and whether it ends.
  std::vector<std::string> pieces{"Hello, ", "world."};
  bool ends = true;
  std::atomic<int> forgets{0}, recalls{0};
  /// Memory calls are not answered.
  std::atomic<bool> mute{false};

  std::vector<turn_request> all() {
    std::lock_guard guard{mutex};
    return turns;
  }

  using fake_home::forget;
  caf::result<std::vector<recalled>> recall(partition self, const memory_query& x) override {
    ++recalls;
    if (mute)
      return self->make_response_promise<std::vector<recalled>>();
    recalled found;
    found.what.text = x.owner.tenant + ":" + x.text;
    return std::vector<recalled>{found};
  }
  memory_receipt remember(memory_write x) override {
    memory_receipt receipt;
    receipt.ids = {x.memories.at(0).id};
    return receipt;
  }
  caf::result<forget_receipt> forget(partition self, const owner_key& x) override {
    ++forgets;
    if (mute)
      return self->make_response_promise<forget_receipt>();
    return fake_home::forget(self, x);
  }
  void subscribe(const event_client_actor& who, const owner_key& owner,
                 const std::string& conversation, const subscription& x) override {
    if (x.lease == 0)
      return;
    session_event event;
    event.owner = owner;
    event.conversation = conversation;
    event.what = session_event::kind::mood;
    caf::anon_send(who, context{}, atom::event_v, event);
  }
  void say(admission self, const context& ctx, asked_turn x) override {
    std::lock_guard guard{mutex};
    turns.push_back(x.request);
    uint64_t offset = 0;
    if (x.request.resume_from >= 0)
      self->send(x.client, ctx, atom::resumed_v, x.ticket, true);
    turn_reply reply;
    for (auto& text : pieces) {
      if (static_cast<int64_t>(offset) >= x.request.resume_from)
        self->send(x.client, ctx, atom::token_v, x.ticket, stream_piece{offset, text});
      offset += text.size();
      reply.text += text;
    }
    if (ends)
      self->send(x.client, ctx, atom::completed_v, x.ticket, reply);
  }
  void cancel(admission self, const context& ctx, const turn_client_actor& client, uint64_t ticket,
              bool) override {
    self->send(client, ctx, atom::failed_v, ticket, failure{ec::cancelled, "cancelled", {}});
  }
};

using script_ptr = std::shared_ptr<node_script>;

inline native_options port_of(const certificate_folder& files, const std::string& name) {
  auto with = files.options(name);
  native_options x;
  x.listen = "127.0.0.1:0";
  x.certificate = with.certificate;
  x.key = with.key;
  x.ca = with.ca;
  return x;
}

/// A node's port with a scripted node behind it.
class scripted_node {
public:
  scripted_node(const certificate_folder& files, const std::string& name)
      : services_(std::make_shared<node_services>(1)), config_(services_) {
    config_.set("scheduler.max-threads", 1);
    system_ = std::make_unique<caf::actor_system>(config_);
    options_.personas.emplace_back().name = "companion";
    options_.edge.keys_file = files.file("no-keys.json");
    options_.native = port_of(files, name);
    to_ = std::make_shared<gateway_handles>(options_, *services_);
    to_->partitions.fill(1, {});
    to_->partitions.set(0, system_->spawn(fake_partition, script), true);
    to_->admission = system_->spawn(fake_admission, script);
    door_ = std::make_unique<sotto::access>(options_.edge, "127.0.0.1:0", services_->metrics);
    REQUIRE_FALSE(door_->open());
    auto parts = std::make_shared<native_parts>();
    parts->to = to_;
    parts->door = door_.get();
    parts->places = places;
    auto gate = std::make_shared<native_gate>(
        native_gate{options_.gateway, 20s, connect_frontends(*system_, parts)});
    auto tls = native_server::read_files(options_.native);
    REQUIRE(tls);
    auto opened = native_server::open(reactor_, options_.native, gate, *tls);
    REQUIRE(opened);
    server = *opened;
  }

  ~scripted_node() { kill(); }

  /// Its sockets are closed without a word.
  void kill() {
    if (!system_)
      return;
    server->leave();
    server->drain(caf::timespan{0});
    reactor_.stop();
    server.reset();
    to_->partitions.clear();
    to_->admission = admission_actor{};
    system_->await_all_actors_done();
    to_.reset();
    system_.reset();
  }

  std::string address() const { return server->address(); }

  void name(std::vector<std::string> nodes) {
    places->set(std::move(nodes));
    server->tell_nodes();
  }

  std::shared_ptr<native_places> places = std::make_shared<native_places>();
  script_ptr script = std::make_shared<node_script>();
  std::shared_ptr<native_server> server;

private:
  std::shared_ptr<node_services> services_;
  node_config config_;
  std::unique_ptr<caf::actor_system> system_;
  options options_;
  std::shared_ptr<gateway_handles> to_;
  std::unique_ptr<sotto::access> door_;
  reactor reactor_;
};

inline client_options bot(const certificate_folder& files, std::vector<std::string> nodes,
                          const std::string& tenant = {}) {
  auto x = *make_frontend_certificate(files.authority, "bot", tenant, 30);
  files.write("bot.pem", x.certificate);
  files.write("bot.key", x.key);
  client_options with;
  with.nodes = std::move(nodes);
  with.certificate = files.file("bot.pem");
  with.key = files.file("bot.key");
  with.ca = files.file("ca.pem");
  // However slow the machine is.
  with.hold = with.connect_timeout = with.silence = 20s;
  return with;
}

inline std::unique_ptr<client> open(const client_options& with) {
  auto x = client::open(with);
  INFO(x.why.message);
  REQUIRE(x);
  return std::move(x.value);
}

inline turn_request turn() {
  turn_request x;
  x.owner = user("ada");
  x.text = "hello";
  return x;
}

} // namespace sotto::test
