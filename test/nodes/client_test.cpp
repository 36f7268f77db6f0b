// What a frontend's library does with its nodes, over real TLS on loopback.
#include "test/nodes/native_node.hpp"

using namespace sotto;
using namespace sotto::test;

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

TEST_CASE("a frontend that knows one node learns of the others", "[native][tls]") {
  certificate_folder files;
  scripted_node first{files, "n1"}, second{files, "n2"}, third{files, "n3"};
  auto with = open(bot(files, {first.address()}));
  first.name({first.address(), "nonsense", second.address()});
  second.name({second.address(), third.address()});
  REQUIRE(with->say(turn()));
  CHECK(with->linked_to() == first.address());
  // Not while it can serve.
  first.name({third.address(), second.address(), "nonsense"});
  first.name({second.address(), "nonsense"});
  memory_query query;
  query.owner = user("ada");
  query.text = "boats";
  REQUIRE(with->recall(query)); // comes after what was told before
  first.kill();
  REQUIRE(with->say(turn()));
  CHECK(with->linked_to() == second.address());
  REQUIRE(with->recall(query));
  SECTION("another is lost") {
    second.kill();
  }
  SECTION("another ends, and is named no more") {
    second.name({third.address()});
    REQUIRE(with->recall(query));
    second.server->leave();
    REQUIRE(comes([&] { return with->linked_to() != second.address(); }));
  }
  REQUIRE(with->say(turn()));
  CHECK(with->linked_to() == third.address());
}

TEST_CASE("a call waits for a node that is not there yet, and no longer than it is held",
          "[native][tls]") {
  certificate_folder files;
  auto with = bot(files, {"127.0.0.1:1"});
  with.hold = 300ms;
  auto reply = open(with)->say(turn());
  CHECK(reply.why.code == ec::unavailable);
  CHECK_THAT(reply.why.message, Catch::Contains("127.0.0.1:1"));
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

TEST_CASE("the longest deadline there is is none", "[native][tls]") {
  certificate_folder files;
  scripted_node node{files, "n1"};
  auto with = open(bot(files, {node.address()}));
  call_options patient;
  patient.deadline = std::chrono::nanoseconds::max();
  auto reply = with->say(
      turn(), [](const stream_piece&) {}, patient);
  INFO(reply.why.message);
  CHECK(reply);
}
