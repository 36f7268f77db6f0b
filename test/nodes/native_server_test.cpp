// A frontend's library and a node's port for it, over real TLS on loopback.
#include "nodes/native_server.hpp"

#include <random>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "client/client_actor.hpp"
#include "nodes/native_connection.hpp"
#include "test/actors/link_process.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// What a node does with the turns of frontends.
struct node_script {
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
};

using script_ptr = std::shared_ptr<node_script>;

listened_partition_actor::behavior_type scripted_partition(listened_partition_actor::pointer self,
                                                           script_ptr s) {
  return {
      [=](const context&, atom::recall,
          const memory_query& x) -> caf::result<std::vector<recalled>> {
        ++s->recalls;
        if (s->mute)
          return self->make_response_promise<std::vector<recalled>>();
        recalled found;
        found.what.text = x.owner.tenant + ":" + x.text;
        return std::vector<recalled>{found};
      },
      [](const context&, atom::remember, const memory_write& x) {
        memory_receipt receipt;
        receipt.ids = {x.memories.at(0).id};
        return receipt;
      },
      [](const context&, atom::list, const memory_page_query&) { return memory_page{}; },
      [](const context&, atom::remove, const owner_key&, const std::string&) { return true; },
      [=](const context&, atom::forget, const owner_key& x) -> caf::result<forget_receipt> {
        ++s->forgets;
        if (s->mute)
          return self->make_response_promise<forget_receipt>();
        return forget_receipt{x, 3, 0};
      },
      [](const context&, atom::forget, const spoken_by&) { return spoken_receipt{}; },
      [](const context&, atom::say, const turn_client_actor&, uint64_t, const turn_request&) {},
      [](const context&, atom::cancel, const turn_client_actor&, uint64_t, const owner_key&,
         const std::string&, bool) {},
      [](const context&, atom::drain) { return atom::drained_v; },
      [](const context&, atom::tick) {},
      [](const context&, atom::subscribe, const event_client_actor& who, const owner_key& owner,
         const std::string& conversation, const subscription& x) {
        if (x.lease == 0)
          return;
        session_event event;
        event.owner = owner;
        event.conversation = conversation;
        event.what = session_event::kind::mood;
        caf::anon_send(who, context{}, atom::event_v, event);
      },
  };
}

admission_actor::behavior_type scripted_admission(admission_actor::pointer self, script_ptr s) {
  return {
      [=](const context& ctx, atom::say, const turn_client_actor& client, uint64_t ticket,
          const turn_request& x) {
        std::lock_guard guard{s->mutex};
        s->turns.push_back(x);
        uint64_t offset = 0;
        if (x.resume_from >= 0)
          self->send(client, ctx, atom::resumed_v, ticket, true);
        for (auto& text : s->pieces) {
          if (static_cast<int64_t>(offset) >= x.resume_from)
            self->send(client, ctx, atom::token_v, ticket, stream_piece{offset, text});
          offset += text.size();
        }
        turn_reply reply;
        for (auto& text : s->pieces)
          reply.text += text;
        if (s->ends)
          self->send(client, ctx, atom::completed_v, ticket, reply);
      },
      [=](const context& ctx, atom::cancel, const turn_client_actor& client, uint64_t ticket,
          const owner_key&, const std::string&, bool) {
        self->send(client, ctx, atom::failed_v, ticket, failure{ec::cancelled, "cancelled", {}});
      },
      [](const context&, atom::settle, uint32_t, uint32_t) { return atom::settled_v; },
      [](const context&, atom::yield, uint64_t) {},
      [](const context&, atom::ended, uint64_t) {},
      [](const context&, atom::drain) { return atom::drained_v; },
      [](const context&, atom::tick) {},
  };
}

native_options port_of(const certificate_folder& files, const std::string& name) {
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
    to_->partitions.set(0, system_->spawn(scripted_partition, script), true);
    to_->admission = system_->spawn(scripted_admission, script);
    door_ = std::make_unique<sotto::access>(options_.edge, "127.0.0.1:0", services_->metrics);
    REQUIRE_FALSE(door_->open());
    auto parts = std::make_shared<native_parts>();
    parts->to = to_;
    parts->door = door_.get();
    auto gate = std::make_shared<native_gate>(
        native_gate{options_.gateway, 5s, connect_frontends(*system_, parts)});
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

client_options bot(const certificate_folder& files, std::vector<std::string> nodes,
                   const std::string& tenant = {}) {
  auto x = *make_frontend_certificate(files.authority, "bot", tenant, 30);
  files.write("bot.pem", x.certificate);
  files.write("bot.key", x.key);
  client_options with;
  with.nodes = std::move(nodes);
  with.certificate = files.file("bot.pem");
  with.key = files.file("bot.key");
  with.ca = files.file("ca.pem");
  with.hold = 20s;
  return with;
}

std::unique_ptr<client> open(const client_options& with) {
  auto x = client::open(with);
  INFO(x.why.message);
  REQUIRE(x);
  return std::move(x.value);
}

turn_request turn() {
  turn_request x;
  x.owner = user("ada");
  x.text = "hello";
  return x;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a frontend talks to a node", "[native][tls]") {
  certificate_folder files;
  scripted_node node{files, "n1"};
  auto with = open(bot(files, {node.address()}, "acme"));
  std::string streamed;
  auto reply = with->say(turn(), [&](const stream_piece& x) { streamed += x.text; });
  INFO(reply.why.message);
  REQUIRE(reply);
  CHECK(reply->text == "Hello, world.");
  CHECK(streamed == "Hello, world.");
  CHECK(with->linked_to() == node.address());
  auto asked = node.script->all();
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].owner == owner_key{"acme", "ada"});
  CHECK_FALSE(asked[0].idempotency_key.empty());
  memory_query query;
  query.owner = user("ada");
  query.text = "boats";
  CHECK(with->recall(query)->at(0).what.text == "acme:boats");
  memory_write write;
  write.owner = user("ada");
  write.memories.emplace_back().text = "x";
  CHECK(with->remember(write)->ids.at(0).size() == 32);
  CHECK(with->list({user("ada"), "", 10}));
  CHECK(*with->remove(user("ada"), "m"));
  CHECK(with->forget(user("ada"))->memories == 3);
  query.text.clear();
  CHECK(with->recall(query).why.code == ec::invalid);
  std::promise<session_event> mood;
  with->listen(user("ada"), "", {[&](const session_event& x) { mood.set_value(x); }, {}});
  CHECK(mood.get_future().get().owner.owner == "ada");
}

TEST_CASE("only frontends' certificates of the cluster's authority open the port",
          "[native][tls]") {
  certificate_folder files, others;
  scripted_node node{files, "n1"};
  auto with = bot(files, {node.address()});
  with.hold = 500ms;
  SECTION("a node's is refused, and it is said why") {
    with.certificate = files.file("n1.pem");
    with.key = files.file("n1.key");
    auto reply = open(with)->say(turn());
    CHECK(has(reply.why.message, "a node's certificate"));
  }
  SECTION("another authority's is not let in") {
    auto foreign = bot(others, {});
    with.certificate = foreign.certificate;
    with.key = foreign.key;
    auto reply = open(with)->say(turn());
    CHECK(reply.why.code == ec::unavailable);
  }
  SECTION("a frontend cannot be taken for a node") {
    auto as_node = port_of(files, "n2");
    as_node.certificate = with.certificate;
    as_node.key = with.key;
    auto read = native_server::read_files(as_node);
    REQUIRE_FALSE(read);
    CHECK(has(to_failure(read.error()).message, "native.certificate"));
  }
  CHECK(node.script->all().empty());
  auto files_of = bot(files, {node.address()});
  files_of.ca = files.file("gone.pem");
  CHECK(client::open(files_of).why.code == ec::invalid);
}

TEST_CASE("a frontend goes on with another node, and its stream where it was cut",
          "[native][tls]") {
  certificate_folder files;
  scripted_node first{files, "n1"}, second{files, "n2"};
  first.script->pieces = {"Hello, "};
  first.script->ends = false;
  auto with = open(bot(files, {first.address(), second.address()}));
  std::promise<answer<turn_reply>> done;
  std::string streamed;
  std::atomic<bool> begun{false}, anew{false};
  turn_handlers handlers;
  handlers.piece = [&](const stream_piece& x) {
    streamed += x.text;
    begun = true;
  };
  handlers.anew = [&] { anew = true; };
  handlers.done = [&](answer<turn_reply> x) { done.set_value(std::move(x)); };
  with->say(turn(), std::move(handlers));
  REQUIRE(comes([&] { return begun.load(); }));
  // Memory calls under way: one may be made again, the other not.
  first.script->mute = true;
  std::promise<answer<forget_receipt>> forgotten;
  with->forget(user("ada"), [&](answer<forget_receipt> x) { forgotten.set_value(std::move(x)); });
  std::promise<answer<std::vector<recalled>>> found;
  memory_query query;
  query.owner = user("ada");
  query.text = "boats";
  with->recall(query, [&](answer<std::vector<recalled>> x) { found.set_value(std::move(x)); });
  REQUIRE(comes([&] { return first.script->forgets == 1 && first.script->recalls == 1; }));
  auto key = first.script->all().at(0).idempotency_key;
  first.kill();
  auto reply = done.get_future().get();
  INFO(reply.why.message);
  REQUIRE(reply);
  CHECK(reply->text == "Hello, world.");
  CHECK(streamed == "Hello, world.");
  CHECK_FALSE(anew);
  auto again = second.script->all();
  REQUIRE(again.size() == 1);
  CHECK(again[0].idempotency_key == key);
  CHECK(again[0].resume_from == 7);
  CHECK(found.get_future().get());
  CHECK(forgotten.get_future().get().why.code == ec::unavailable);
  CHECK(second.script->forgets == 0);
  CHECK(with->linked_to() == second.address());
}

TEST_CASE("a call waits for a node that is not there yet, and no longer than it is held",
          "[native][tls]") {
  certificate_folder files;
  auto with = bot(files, {"127.0.0.1:1"});
  with.hold = 300ms;
  auto reply = open(with)->say(turn());
  CHECK(reply.why.code == ec::unavailable);
  CHECK(has(reply.why.message, "127.0.0.1:1"));
  scripted_node node{files, "n1"};
  with.nodes.push_back(node.address());
  with.hold = 20s;
  CHECK(open(with)->say(turn()));
}

TEST_CASE("a client has a bound, cancels, and lets go of everything in the end", "[native][tls]") {
  certificate_folder files;
  scripted_node node{files, "n1"};
  node.script->ends = false;
  auto with = bot(files, {node.address()});
  with.max_calls = 2;
  auto x = open(with);
  std::vector<failure> ends;
  std::mutex mutex;
  auto say = [&] {
    turn_handlers handlers;
    handlers.done = [&](answer<turn_reply> y) {
      std::lock_guard guard{mutex};
      ends.push_back(y.why);
    };
    return x->say(turn(), std::move(handlers));
  };
  auto count = [&] {
    std::lock_guard guard{mutex};
    return ends.size();
  };
  auto one = say();
  say();
  say();
  REQUIRE(count() == 1);
  CHECK(ends[0].code == ec::overloaded);
  REQUIRE(comes([&] { return node.script->all().size() == 2; }));
  x->cancel(one);
  REQUIRE(comes([&] { return count() == 2; }));
  CHECK(ends[1].code == ec::cancelled);
  x.reset();
  REQUIRE(count() == 3);
  CHECK(ends[2].code == ec::cancelled);
}

TEST_CASE("strangers at the port harm no frontend", "[native][tls]") {
  certificate_folder files;
  scripted_node node{files, "n1"};
  auto with = open(bot(files, {node.address()}));
  REQUIRE(with->say(turn()));
  auto address = node.address();
  auto port = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  std::mt19937 random{7};
  for (int i = 0; i < 12; ++i) {
    auto socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    std::string noise(i % 3 == 0 ? 5 : 2000, '\0');
    for (auto& c : noise)
      c = static_cast<char>(i % 3 == 1 ? 0 : random());
    std::ignore = ::send(socket, noise.data(), noise.size(), MSG_NOSIGNAL);
    CHECK(with->say(turn()));
    ::close(socket);
  }
  CHECK(node.script->all().size() == 13);
}

TEST_CASE("CLIENT is spoken to as PARTITION is", "[native][tls]") {
  certificate_folder files;
  scripted_node node{files, "n1"};
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::shared_ptr<client> through = open(bot(files, {node.address()}));
  auto actor = spawn_client(system, through);
  caf::scoped_actor self{system};
  memory_query query;
  query.owner = user("ada");
  query.text = "boats";
  self->request(actor, 20s, context{}, atom::recall_v, query)
      .receive([](const std::vector<recalled>& x) { CHECK(x.at(0).what.text == "default:boats"); },
               [](const caf::error& err) { FAIL(to_failure(err).message); });
  query.text.clear();
  self->request(actor, 20s, context{}, atom::recall_v, query)
      .receive([](const std::vector<recalled>&) { FAIL("it was wrong"); },
               [](const caf::error& err) { CHECK(to_failure(err).code == ec::invalid); });
  auto to = std::make_shared<heard>();
  auto listener = system.spawn(listening_client, to);
  auto ask = turn();
  ask.stream = true;
  caf::anon_send(actor, context{}, atom::say_v, turn_client_actor{listener}, uint64_t{5}, ask);
  REQUIRE(comes([&] { return to->reply(5) == "Hello, world."; }));
  CHECK(to->streams[5] == "Hello, world.");
  caf::anon_send_exit(listener, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
}
