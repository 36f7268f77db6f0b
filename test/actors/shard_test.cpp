#include <variant>

#include "actors/shard.hpp"
#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// A store whose commits happen when the test says so.
struct fake_store {
  struct waiting {
    store_client_actor client;
    uint64_t ticket;
    store_write write;
  };
  std::deque<waiting> writes;
  std::vector<memory> rows;
  int loads = 0;
  bool reader_silent = false, reader_fails = false;

  void commit(failure why = {}) {
    auto x = std::move(writes.front());
    writes.pop_front();
    if (!why && x.write.what == store_write::kind::insert)
      rows.insert(rows.end(), x.write.memories.begin(), x.write.memories.end());
    if (!why && x.write.what == store_write::kind::forget)
      rows.clear();
    if (!why && x.write.what == store_write::kind::remove)
      std::erase_if(rows, [&](auto& m) { return m.seq == x.write.seq; });
    caf::anon_send<caf::message_priority::high>(x.client, context{}, atom::committed_v, x.ticket,
                                                why);
  }
};

store_writer_actor::behavior_type writer(store_writer_actor::pointer, fake_store* store) {
  return {[=](const context&, atom::write, store_client_actor& client, uint64_t ticket,
              store_write& x) {
            store->writes.push_back({client, ticket, std::move(x)});
          },
          [](const context&, atom::drain) { return atom::drained_v; }};
}

store_reader_actor::behavior_type reader(store_reader_actor::pointer self, fake_store* store) {
  return {[=](const context&, atom::load, const shard_actor& to, const owner_key& owner) {
    ++store->loads;
    memory_write found;
    found.owner = owner;
    found.memories = store->rows;
    failure why;
    if (store->reader_fails)
      why = {ec::storage_failed, "broken on purpose", {}};
    if (!store->reader_silent)
      self->send<caf::message_priority::high>(to, context{}, atom::loaded_v, std::move(found),
                                              std::move(why));
  }};
}

struct shard_fixture : test::frozen_system {
  explicit shard_fixture(shard_options options = {}) {
    home = spawn(shard, options, spawn(writer, &store), spawn(reader, &store),
                 embed_function{[](std::string_view text) {
                   return std::vector<float>{static_cast<float>(text.size()), 1};
                 }});
  }

  using receipt =
      caf::response_handle<caf::blocking_actor, caf::detail::type_list<memory_receipt>, true>;

  auto remember(std::string id, std::string text, std::string owner = "ada") {
    memory_write x;
    x.owner = {"default", std::move(owner)};
    x.memories.resize(1);
    x.memories[0].id = std::move(id);
    x.memories[0].text = std::move(text);
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::remember_v, std::move(x));
    run();
    return pending;
  }

  template <class Pending>
  caf::expected<memory_receipt> result(Pending pending) {
    run();
    caf::expected<memory_receipt> out{caf::make_error(caf::sec::request_timeout)};
    REQUIRE_FALSE((*self)->mailbox().empty());
    pending.receive([&](memory_receipt& x) { out = x; }, [&](caf::error& e) { out = e; });
    return out;
  }

  std::vector<std::string> found(std::string text, std::string owner = "ada") {
    memory_query q;
    q.owner = {"default", std::move(owner)};
    q.text = std::move(text);
    auto answer = ask<std::vector<recalled>>(home, flow(), atom::recall_v, q);
    REQUIRE(answer);
    std::vector<std::string> ids;
    for (auto& x : *answer)
      ids.push_back(x.what.id);
    return ids;
  }

  fake_store store;
  shard_actor home;
};

} // namespace

TEST_CASE_METHOD(shard_fixture,
                 "a memory is acknowledged when it is durable and found from then on") {
  auto pending = remember("a", "tea with milk");
  CHECK((*self)->mailbox().empty());
  CHECK(found("tea").empty());
  store.commit();
  auto receipt = result(pending);
  REQUIRE(receipt);
  CHECK(receipt->ids == std::vector<std::string>{"a"});
  CHECK(receipt->created[0]);
  CHECK(found("tea") == std::vector<std::string>{"a"});
  CHECK(store.rows[0].created == wall_micros);
  CHECK(store.rows[0].seq == 1);
}

TEST_CASE_METHOD(shard_fixture, "a memory without an id gets one, and they sort by time") {
  auto first = remember("", "tea");
  store.commit();
  auto a = result(first);
  pass(1s);
  auto second = remember("", "coffee");
  store.commit();
  auto b = result(second);
  REQUIRE((a && b));
  CHECK(a->ids[0] < b->ids[0]);
}

TEST_CASE_METHOD(shard_fixture,
                 "the same id again changes nothing, also while the first is on its way") {
  auto first = remember("a", "tea");
  auto again = remember("a", "something else");
  CHECK(store.writes.size() == 1);
  store.commit();
  run();
  auto one = result(first), two = result(again);
  REQUIRE((one && two));
  CHECK(one->created[0]);
  CHECK_FALSE(two->created[0]);
  auto third = result(remember("a", "tea"));
  REQUIRE(third);
  CHECK_FALSE(third->created[0]);
  CHECK(store.rows.size() == 1);
}

TEST_CASE_METHOD(shard_fixture,
                 "what could not be stored is refused, and so is what relied on it") {
  auto first = remember("a", "tea");
  auto again = remember("a", "tea");
  store.commit({ec::storage_failed, "disk full", {}});
  run();
  CHECK_FALSE(result(first));
  CHECK_FALSE(result(again));
  CHECK(found("tea").empty());
  auto retry = remember("a", "tea");
  store.commit();
  CHECK(result(retry));
}

TEST_CASE_METHOD(shard_fixture, "forget removes what is there, and keeps what comes after it") {
  auto first = remember("a", "tea");
  store.commit();
  result(first);
  auto pending =
      (*self)->request(home, caf::infinite, flow(), atom::forget_v, owner_key{"default", "ada"});
  run();
  auto again = remember("a", "tea again");
  CHECK(store.writes.size() == 1);
  store.commit();
  run();
  REQUIRE(store.writes.size() == 1);
  store.commit();
  run();
  pending.receive([](forget_receipt& x) { CHECK(x.memories == 1); },
                  [](caf::error&) { FAIL("forget was refused"); });
  auto receipt = result(again);
  REQUIRE(receipt);
  CHECK(receipt->created[0]);
  CHECK(found("again") == std::vector<std::string>{"a"});
}

TEST_CASE_METHOD(shard_fixture, "a removed memory is gone, and only then") {
  auto first = remember("a", "tea");
  store.commit();
  result(first);
  auto nothing =
      ask<bool>(home, flow(), atom::remove_v, owner_key{"default", "ada"}, std::string{"b"});
  REQUIRE(nothing);
  CHECK_FALSE(*nothing);
  auto pending = (*self)->request(home, caf::infinite, flow(), atom::remove_v,
                                  owner_key{"default", "ada"}, std::string{"a"});
  run();
  CHECK(found("tea").size() == 1);
  store.commit();
  run();
  pending.receive([](bool done) { CHECK(done); }, [](caf::error&) { FAIL("remove was refused"); });
  CHECK(found("tea").empty());
}

TEST_CASE_METHOD(shard_fixture, "an owner is loaded once, with what the store has") {
  memory x;
  x.id = "old";
  x.text = "tea";
  x.seq = 7;
  store.rows = {x};
  CHECK(found("tea") == std::vector<std::string>{"old"});
  CHECK(found("tea") == std::vector<std::string>{"old"});
  CHECK(store.loads == 1);
  auto next = remember("new", "coffee");
  CHECK(store.writes.front().write.memories[0].seq == 8);
  store.commit();
  CHECK(result(next));
}

TEST_CASE_METHOD(shard_fixture, "an owner that cannot be read is refused and tried again") {
  store.reader_fails = true;
  memory_query q;
  q.owner = {"default", "ada"};
  auto refused = ask<std::vector<recalled>>(home, flow(), atom::recall_v, q);
  REQUIRE_FALSE(refused);
  CHECK(to_failure(refused.error()).code == ec::storage_failed);
  store.reader_fails = false;
  CHECK(found("tea").empty());
  CHECK(store.loads == 2);
}

TEST_CASE_METHOD(shard_fixture, "a reader that is silent fails the request at its time-out") {
  store.reader_silent = true;
  memory_query q;
  q.owner = {"default", "ada"};
  auto pending = (*self)->request(home, caf::infinite, flow(), atom::recall_v, q);
  pass(5s);
  CHECK((*self)->mailbox().empty());
  for (int i = 0; i < 8; ++i)
    pass(1s);
  failure why;
  pending.receive([](std::vector<recalled>&) {}, [&](caf::error& e) { why = to_failure(e); });
  CHECK(why.code == ec::timeout);
}

TEST_CASE("cold owners are evicted and loaded again") {
  shard_options options;
  options.max_bytes = 20'000;
  shard_fixture x{options};
  for (int i = 0; i < 40; ++i) {
    auto pending = x.remember("a", std::string(500, 'x'), "user" + std::to_string(i));
    x.store.commit();
    x.run();
    REQUIRE(x.result(pending));
    x.store.rows.clear();
    x.scheduler().advance_time(1ms);
  }
  auto loads = x.store.loads;
  x.found("x", "user39");
  CHECK(x.store.loads == loads);
  x.found("x", "user0");
  CHECK(x.store.loads == loads + 1);
}

// -- a provider embeds --------------------------------------------------------------------------

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
                 embedding_actor{teller});
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
