#include "nodes/connection.hpp"

#include "test/fixture.hpp"
#include "test/nodes/fake_home.hpp"

using namespace sotto;
using namespace std::chrono_literals;
using json = nlohmann::json;

namespace {

struct asked_events {
  owner_key owner;
  subscription what;
};

/// Keeps what it is asked, and answers no turn.
struct partition_world : test::fake_home {
  std::vector<test::asked_turn> turns;
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
  void say(admission, const context&, test::asked_turn x) override {
    turns.push_back(std::move(x));
  }
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
class socket_fixture : public test::frozen_system {
public:
  socket_fixture() : world(std::make_shared<partition_world>()) {
    options with;
    with.personas.emplace_back();
    with.gateway.max_in_flight = 2;
    with.gateway.max_calls = 8;
    with.gateway.max_subscriptions = 3;
    to = std::make_shared<gateway_handles>(with, *services);
    to->partitions.fill(1, {});
    to->partitions.set(0, spawn(test::fake_partition, world), true);
    to->admission = spawn(test::fake_admission, world);
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

} // namespace

TEST_CASE_METHOD(socket_fixture,
                 "the calls of a socket wait for one another, not for those of others") {
  auto loud = open(), quiet = open();
  for (auto* user : {"a", "b", "c", "d"})
    say(loud, user);
  say(loud, "e", {{"priority", "critical"}});
  say(quiet, "q");
  CHECK(users() == std::vector<std::string>{"a", "b", "q"});
  answer(0);
  CHECK(users().back() == "e");
  answer(1);
  CHECK(users().back() == "c");
  CHECK(loud.channel->of_type("reply").size() == 2);
}

TEST_CASE_METHOD(socket_fixture, "what waits is taken when it starts, what is refused at once") {
  auto x = open();
  auto bytes = say(x, "a") + say(x, "b");
  CHECK(x.channel->bytes_taken == bytes);
  auto waits = say(x, "c");
  CHECK(x.channel->bytes_taken == bytes);
  bytes += send(x, {{"id", 1}, {"type", "dance"}, {"priority", "asap"}});
  CHECK(x.channel->bytes_taken == bytes);
  CHECK(x.channel->frames_taken == 4);
  answer(0);
  CHECK(x.channel->bytes_taken == bytes + waits);
  CHECK(x.channel->frames_taken == 4);
}

TEST_CASE_METHOD(socket_fixture, "a call that waited too long is not worked on") {
  auto x = open();
  say(x, "a");
  say(x, "b");
  say(x, "c", {{"deadline_ms", 1000}});
  pass(2s);
  answer(0);
  CHECK(users() == std::vector<std::string>{"a", "b"});
  auto errors = x.channel->of_type("error");
  REQUIRE(errors.size() == 1);
  CHECK(errors[0]["body"]["code"] == "timeout");
}

TEST_CASE_METHOD(socket_fixture, "credit is told to who said hello") {
  auto x = open();
  send(x, {{"id", 0}, {"type", "hello"}});
  CHECK(x.channel->frames.at(0)["body"]["calls"] == 8);
  for (int i = 0; i < 9; ++i)
    say(x, std::to_string(i));
  REQUIRE(x.channel->of_type("error").size() == 1);
  CHECK(x.channel->of_type("error")[0]["body"]["code"] == "flow_control");
  answer(0);
  CHECK(x.channel->of_type("credit").empty());
  answer(1);
  REQUIRE(x.channel->of_type("credit").size() == 1);
  CHECK(x.channel->of_type("credit")[0]["body"]["calls"] == 2);
}

TEST_CASE_METHOD(socket_fixture, "a socket that closes leaves nothing behind") {
  auto x = open();
  send(x, {{"id", 1}, {"type", "subscribe"}, {"body", {{"user", "ada"}}}});
  for (auto* user : {"a", "b", "c"})
    say(x, user);
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::cancel_v);
  run();
  CHECK(world->cancelled == 2);
  CHECK(users().size() == 2);
  REQUIRE(world->events.size() == 2);
  CHECK(world->events.back().what.lease == 0);
}

TEST_CASE_METHOD(socket_fixture, "subscriptions are bounded and renewed, and can be ended") {
  auto x = open();
  auto subscribe = [&](const std::string& user) {
    send(x, {{"id", user}, {"type", "subscribe"}, {"body", {{"user", user}}}});
  };
  for (auto* user : {"a", "b", "c", "d", "a"})
    subscribe(user);
  CHECK(x.channel->of_type("reply").size() == 4);
  CHECK(x.channel->of_type("error").size() == 1);
  CHECK(world->events.size() == 4);
  pass(2min + 1s);
  CHECK(world->events.size() == 7);
  send(x, {{"id", 1}, {"type", "unsubscribe"}});
  CHECK(x.channel->frames.back()["body"]["unsubscribed"] == 3);
  pass(10min);
  CHECK(world->events.size() == 10);
}

TEST_CASE_METHOD(socket_fixture, "who listens to all it speaks for is told of each, once") {
  auto x = open();
  send(x, {{"id", 1}, {"type", "subscribe"}, {"body", {{"events", {"mood"}}}}});
  say(x, "a");
  say(x, "a");
  REQUIRE(world->events.size() == 1);
  CHECK(world->events[0].owner.owner == "a");
  CHECK(world->events[0].what.kinds == event_bit(session_event::kind::mood));
}

TEST_CASE_METHOD(socket_fixture, "events are dropped where too much waits to be read") {
  auto x = open();
  send(x, {{"id", "sub"}, {"type", "subscribe"}, {"body", {{"user", "ada"}}}});
  session_event typing;
  typing.on = true;
  tell(x, typing);
  REQUIRE(x.channel->of_type("event").size() == 1);
  CHECK(x.channel->frames.back()["id"] == "sub");
  CHECK(x.channel->frames.back()["body"]["on"] == true);
  x.channel->waiting = 1 << 20;
  tell(x, typing);
  CHECK(x.channel->of_type("event").size() == 1);
  x.channel->waiting = 0;
  session_event lapsed;
  lapsed.what = session_event::kind::lapsed;
  tell(x, lapsed);
  CHECK(x.channel->frames.back()["body"]["event"] == "lapsed");
  tell(x, typing);
  CHECK(x.channel->of_type("event").size() == 2);
}

TEST_CASE_METHOD(socket_fixture, "a draining node closes a socket when its calls are answered") {
  auto x = open();
  say(x, "a");
  caf::anon_send<caf::message_priority::high>(x.actor, context{}, atom::drain_v);
  run();
  CHECK(x.channel->closed == 0);
  answer(0);
  CHECK(x.channel->closed == socket_code::going_away);
}

TEST_CASE_METHOD(socket_fixture, "who is forgotten is forgotten in the groups of every partition") {
  constexpr uint32_t partitions = 100;
  auto home = to->partitions.at(0).first;
  to->partitions.fill(partitions, {});
  for (uint32_t i = 0; i < partitions; ++i)
    to->partitions.set(i, home, true);
  auto x = open();
  auto forget = [&](const char* user) {
    send(x, {{"id", user}, {"type", "forget"}, {"body", {{"user", user}}}});
  };
  SECTION("all of them answer") {
    forget("ada");
    auto reply = x.channel->of_type("reply").at(0)["body"];
    CHECK(reply["memories"] == 3);
    CHECK(reply["group_memories"] == 2 * partitions);
    std::vector<uint32_t> asked;
    for (auto& y : world->spoken) {
      CHECK(y.user == owner_key{"default", "ada"});
      asked.push_back(y.partition);
    }
    std::sort(asked.begin(), asked.end());
    REQUIRE(asked.size() == partitions);
    for (uint32_t i = 0; i < partitions; ++i)
      CHECK(asked[i] == i);
  }
  SECTION("one of them fails") {
    world->spoken_fails = 50;
    forget("ada");
    auto error = x.channel->of_type("error").at(0)["body"];
    CHECK(error["code"] == "unavailable");
    CHECK(error["message"].get<std::string>().find("forget them again") != std::string::npos);
    CHECK(x.channel->of_type("reply").empty());
  }
  SECTION("a group is forgotten alone") {
    forget("channel:den");
    CHECK(x.channel->of_type("reply").at(0)["body"]["group_memories"] == 0);
    CHECK(world->spoken.empty());
  }
}

TEST_CASE_METHOD(socket_fixture,
                 "in a group the user is the author, whatever they are called there") {
  auto x = open();
  send(x, {{"id", 1},
           {"type", "say"},
           {"body",
            {{"user", "ada"}, {"speaker", "The Countess"}, {"group", "den"}, {"text", "hi"}}}});
  REQUIRE(world->turns.size() == 1);
  CHECK(world->turns[0].request.owner.owner == "channel:den");
  CHECK(world->turns[0].request.speaker == "The Countess");
  CHECK(world->turns[0].request.author == "ada");
}

TEST_CASE_METHOD(socket_fixture, "a stream of which a piece was lost is whole in the end") {
  auto x = open();
  json body{{"user", "ada"}, {"text", "hello"}, {"stream", true}};
  send(x, {{"id", 1}, {"type", "say"}, {"body", body}});
  piece(0, 0, "Once ");
  piece(0, 10, "a time "); // "upon " was refused somewhere
  piece(0, 17, "there");
  answer(0, "Once upon a time there was");
  std::string text;
  for (auto& token : x.channel->of_type("token")) {
    CHECK(token["body"]["offset"] == text.size());
    text += token["body"]["text"].get<std::string>();
  }
  CHECK(text == "Once upon a time there was");
  CHECK(x.channel->frames.back()["type"] == "reply");
}

TEST_CASE_METHOD(socket_fixture, "a stream that was taken up again and lost a piece is whole too") {
  auto x = open();
  json body{{"user", "ada"}, {"text", "hello"}, {"resume", 5}, {"idempotency_key", "k"}};
  send(x, {{"id", 1}, {"type", "say"}, {"body", body}});
  auto& turn = world->turns.at(0);
  caf::anon_send(turn.client, context{}, atom::resumed_v, turn.ticket, true);
  run();
  piece(0, 10, "a time ");
  answer(0, "Once upon a time");
  auto tokens = x.channel->of_type("token");
  REQUIRE(tokens.size() == 1);
  CHECK(tokens[0]["body"]["offset"] == 5);
  CHECK(tokens[0]["body"]["text"] == "upon a time");
}

TEST_CASE_METHOD(socket_fixture, "no token is made up where no stream was asked for") {
  auto x = open();
  say(x, "ada");
  answer(0, "Once upon a time");
  CHECK(x.channel->of_type("token").empty());
}

TEST_CASE_METHOD(socket_fixture, "a stream over HTTP of which a piece was lost is whole too") {
  auto channel = std::make_shared<fake_channel>();
  auto actor = spawn(connection, to, std::shared_ptr<reply_channel>{channel});
  http_call call;
  call.verb = http_verb::post;
  call.path = "/v1/chat/completions";
  call.user = "ada";
  call.body = R"({"model":"companion","stream":true,"messages":[{"role":"user","content":"hi"}]})";
  caf::anon_send(actor, context{}, atom::request_v, std::move(call));
  run();
  piece(0, 0, "Once ");
  piece(0, 10, "a time");
  answer(0, "Once upon a time");
  CHECK(channel->ended);
  std::string text;
  for (size_t at = 0; (at = channel->pieces.find("data: {", at)) != std::string::npos;) {
    at += 6;
    auto event = json::parse(channel->pieces.substr(at, channel->pieces.find('\n', at) - at));
    text += event["choices"][0]["delta"].value("content", "");
  }
  CHECK(text == "Once upon a time");
}
