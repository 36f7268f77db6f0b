// What SHARD does where a provider embeds.
#include <variant>

#include "actors/shard.hpp"
#include "test/actors/fake_store.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

using vectors = std::vector<std::vector<float>>;

/// Questions to a provider wait until the test answers them.
struct fake_provider {
  struct question {
    std::vector<std::string> texts;
    priority level;
    caf::typed_response_promise<vectors> promise;
  };
  std::deque<question> questions;
  std::variant<vectors, failure> answer;
};

using played_embedding = embedding_actor::extend<caf::reacts_to<atom::tick>>;

played_embedding::behavior_type provider(played_embedding::pointer self, fake_provider* to) {
  return {[](const context&, atom::embed, const std::string&) { return std::vector<float>{1}; },
          [=](const context& ctx, atom::embed, std::vector<std::string>& texts) {
            auto promise = self->make_response_promise<vectors>();
            to->questions.push_back({std::move(texts), ctx.level, promise});
            return promise;
          },
          // Answers the oldest question.
          [=](atom::tick) {
            auto x = std::move(to->questions.front());
            to->questions.pop_front();
            if (auto* good = std::get_if<vectors>(&to->answer))
              x.promise.deliver(std::move(*good));
            else
              x.promise.deliver(to_error(std::get<failure>(to->answer)));
          }};
}

struct embedding_fixture : test::frozen_system {
  embedding_fixture() {
    home = spawn(shard, shard_options{}, spawn(writer, &store), spawn(reader, &store),
                 embedding_actor{teller}, std::make_shared<memory_account>(), uint64_t{1});
  }

  void answer(std::variant<vectors, failure> what) {
    asked.answer = std::move(what);
    caf::anon_send(teller, atom::tick_v);
    run();
  }

  const fake_provider::question& next() {
    REQUIRE_FALSE(asked.questions.empty());
    return asked.questions.front();
  }

  void remember(int count, size_t from = 0) {
    memory_write x;
    x.owner = {"default", "ada"};
    for (int i = 0; i < count; ++i) {
      auto& m = x.memories.emplace_back();
      m.id = std::to_string(from + static_cast<size_t>(i));
      m.text = "text " + m.id;
    }
    caf::anon_send(home, flow(), atom::remember_v, std::move(x));
    run();
  }

  std::vector<recalled> search(std::vector<float> vector) {
    memory_query q;
    q.owner = {"default", "ada"};
    q.text = "something else";
    q.vector = std::move(vector);
    auto answer = ask<std::vector<recalled>>(home, flow(), atom::recall_v, q);
    REQUIRE(answer);
    return *answer;
  }

  fake_store store;
  fake_provider asked;
  played_embedding teller = spawn(provider, &asked);
  shard_actor home;
};

} // namespace

TEST_CASE_METHOD(embedding_fixture, "what comes without a vector gets it by and by", "[caf]") {
  remember(40);
  CHECK(asked.questions.empty()); // durable first
  store.commit();
  run();
  auto& first = next();
  CHECK(first.texts.size() == 32);
  CHECK(first.level == priority::background);
  CHECK(search({0, 1}).empty());
  answer(vectors(32, {0, 1}));
  CHECK(search({0, 1}).size() == 10);
  REQUIRE(store.writes.size() == 1);
  CHECK(store.writes[0].write.what == store_write::kind::embed);
  CHECK(store.writes[0].write.vectors.size() == 32);
  CHECK(store.writes[0].write.memories[31].seq == 32);
  store.commit();
  run();
  CHECK(next().texts.size() == 8);
}

TEST_CASE_METHOD(embedding_fixture, "what is loaded without a vector is asked for", "[caf]") {
  for (uint64_t i = 1; i <= 3; ++i) {
    memory x;
    x.id = std::to_string(i);
    x.text = "line " + x.id;
    x.seq = i;
    store.rows.push_back(x);
  }
  CHECK(search({1, 0}).empty());
  CHECK(next().texts == std::vector<std::string>{"line 1", "line 2", "line 3"});
}

TEST_CASE_METHOD(embedding_fixture, "a text that cannot be embedded does not keep back the others",
                 "[caf]") {
  remember(3);
  store.commit();
  run();
  answer(failure{ec::invalid, "too long", "input[1]"});
  CHECK(next().texts == std::vector<std::string>{"text 0", "text 2"});
  answer(vectors(2, {0, 1}));
  store.commit();
  run();
  CHECK(asked.questions.empty());
  auto found = search({0, 1});
  REQUIRE(found.size() >= 2);
  CHECK(found[0].what.id != "1");
  CHECK(found[1].what.id != "1");
}

TEST_CASE_METHOD(embedding_fixture, "a provider that fails is asked again after a pause", "[caf]") {
  remember(1);
  store.commit();
  run();
  answer(failure{ec::unavailable, "down", {}});
  search({});
  CHECK(asked.questions.empty());
  pass(31s);
  search({});
  CHECK(next().texts.size() == 1);
}

TEST_CASE_METHOD(embedding_fixture, "a vector that comes after its memory was forgotten is dropped",
                 "[caf]") {
  remember(2);
  store.commit();
  run();
  caf::anon_send(home, flow(), atom::forget_v, owner_key{"default", "ada"});
  run();
  store.commit();
  run();
  answer(vectors(2, {0, 1}));
  CHECK(store.writes.empty());
  CHECK(search({0, 1}).empty());
}
