#include "actors/turn_journal.hpp"

#include <catch2/catch.hpp>

using namespace sotto;

namespace {

turn_request request(std::string key, std::string text = "hello") {
  turn_request x;
  x.owner = {"default", "ada"};
  x.conversation = "talk";
  x.text = std::move(text);
  x.idempotency_key = std::move(key);
  return x;
}

turn_opening opening(const turn_request& x) {
  return {x.owner, x.conversation, x.idempotency_key, text_hash(x.text)};
}

memory line(uint64_t seq, std::string text) {
  memory x;
  x.id = "m" + std::to_string(seq);
  x.seq = seq;
  x.text = std::move(text);
  return x;
}

turn_record over(const turn_request& from, const turn_reply& reply, uint64_t seq,
                 int64_t created = 1) {
  auto x = record_of(from, reply, created);
  x.reply = seq;
  return x;
}

using kind = turn_found::kind;

} // namespace

TEST_CASE("a turn that is over is found with all its reply had") {
  owner_index index;
  index.add(line(1, "an old one"), {});
  index.add(line(2, "the answer"), {});
  turn_reply reply;
  reply.text = "the answer";
  reply.model = "big \xff";
  reply.finish_reason = "length";
  reply.usage = {3, 4};
  reply.emotion.primary = "joy";
  reply.emotion.compound = 0.6369;
  reply.emotion.mixed = {{"joy", 0.5F}};
  reply.memories = {{line(1, "an old one"), 0.5F, "words"}, {line(9, "gone since"), 0.4F, "words"}};
  reply.topics = {"travel"};
  reply.analyses["urgency"] = {"soon"};
  reply.degraded = {"recall"};
  reply.level = priority::high;
  turn_journal journal;
  journal.put(over(request("k"), reply, 2));
  auto found = journal.find(opening(request("k")), index);
  REQUIRE(found.what == kind::done);
  auto& back = found.reply;
  CHECK(back.text == "the answer");
  CHECK(back.model == "big \xef\xbf\xbd");
  CHECK(back.finish_reason == "length");
  CHECK(back.usage.completion == 4);
  CHECK(back.emotion.primary == "joy");
  CHECK(back.emotion.compound == 0.6369);
  CHECK(back.emotion.mixed.at(0).category == "joy");
  REQUIRE(back.memories.size() == 1);
  CHECK(back.memories[0].what.text == "an old one");
  CHECK(back.topics == reply.topics);
  CHECK(back.analyses == reply.analyses);
  CHECK(back.degraded == reply.degraded);
  CHECK(back.level == priority::high);
  CHECK(back.memory_stored);
}

TEST_CASE("a record holds no word of what was said") {
  turn_reply reply;
  reply.text = "my secret answer";
  reply.memories = {{line(1, "my secret memory"), 0.5F, "words"}};
  auto x = over(request("k", "my secret question"), reply, 2);
  CHECK(x.details.find("secret") == std::string::npos);
}

TEST_CASE("what a turn is to the journal: fresh, interrupted, contradicted, removed") {
  owner_index index;
  turn_journal journal;
  CHECK(journal.find(opening(request("k")), index).what == kind::fresh);
  journal.put({"talk", "k", text_hash("hello"), 0, 1, {}});
  CHECK(journal.find(opening(request("k")), index).what == kind::interrupted);
  CHECK(journal.find(opening(request("k", "other words")), index).what == kind::conflict);
  auto elsewhere = request("k");
  elsewhere.conversation = "another";
  CHECK(journal.find(opening(elsewhere), index).what == kind::fresh);
  journal.put(over(request("k"), {}, 5));
  CHECK(journal.find(opening(request("k")), index).what == kind::removed);
}

TEST_CASE("a damaged record gives the text it stands for") {
  owner_index index;
  index.add(line(1, "the answer"), {});
  turn_journal journal;
  auto x = over(request("k"), {}, 1);
  x.details = GENERATE("", "{", "[]", R"({"usage":"much"})", R"({"usage":[1,2],"emotion":7})");
  journal.put(x);
  auto found = journal.find(opening(request("k")), index);
  CHECK(found.what == kind::done);
  CHECK(found.reply.text == "the answer");
}

TEST_CASE("old turns and too many are dropped, and their memory is given back") {
  owner_index index;
  turn_journal journal;
  for (int i = 1; i <= 10; ++i)
    journal.put({"talk", "k" + std::to_string(i), text_hash("hello"), 0, i, {}});
  journal.put(over(request("k4"), {}, 1, 4)); // in the place of its beginning
  CHECK(journal.size() == 10);
  CHECK(journal.prune(3, 100) == 3);
  CHECK(journal.size() == 8);
  CHECK(journal.prune(0, 2) == 9);
  CHECK(journal.find(opening(request("k8")), index).what == kind::fresh);
  CHECK(journal.find(opening(request("k9")), index).what == kind::interrupted);
  journal.prune(100, 2);
  CHECK(journal.size() == 0);
  CHECK(journal.bytes() == 0);
}

TEST_CASE("turns of a clock that is behind another's are kept as long as those before them") {
  turn_journal journal;
  std::vector<int64_t> begun;
  for (int64_t clock : {1000, 400, 700, 1300, 20}) { // the owner moves between nodes
    auto x = over(request(std::to_string(clock)), {}, 1, clock);
    x.created = journal.begun(x);
    journal.put(x);
    CHECK(journal.begun(x) == x.created);
    begun.push_back(x.created);
  }
  auto since = journal.prune(0, 100); // the store drops what began before
  for (auto x : begun)
    CHECK(x >= since);
  since = journal.prune(0, 2);
  CHECK(journal.size() == 2);
  CHECK(begun[3] >= since);
  CHECK(begun[4] >= since);
}
