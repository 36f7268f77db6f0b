#include "actors/store_writer.hpp"

#include <numeric>

#include <prometheus/text_serializer.h>

#include "test/fixture.hpp"
#include "test/store_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using Catch::Matchers::Contains;

namespace {

struct told {
  uint64_t ticket;
  ec code;
};

struct client_state {
  static inline const char* name = "client";
};

store_client_actor::behavior_type client(actor_of<store_client_actor, client_state>*,
                                         std::vector<told>* out) {
  return {[out](const context&, atom::committed, uint64_t ticket, const failure& why) {
    out->push_back({ticket, why.code});
  }};
}

/// The real store, which notes the size of each transaction and what it did first.
class watched_store : public store {
public:
  explicit watched_store(const fs::path& folder) : inner_(test::open(in(folder))) {}

  std::vector<failure> apply(std::span<const store_write> writes) override {
    batches.push_back(writes.size());
    for (auto& x : writes)
      order.push_back(x.memories.empty() ? "" : x.memories.front().id);
    if (meanwhile)
      meanwhile();
    if (full)
      return std::vector<failure>(writes.size(),
                                  failure{ec::storage_failed, "the disk is full", {}});
    return inner_->apply(writes);
  }
  caf::expected<std::unique_ptr<store_view>> view() override { return inner_->view(); }
  void close() override { inner_->close(); }

  std::vector<size_t> batches;
  std::vector<std::string> order;
  bool full = false;
  /// Comes to pass during every transaction.
  std::function<void()> meanwhile;

private:
  std::unique_ptr<store> inner_;
};

struct setup {
  explicit setup(store_writer_options options = {}, uint64_t seed = 1)
      : sys(seed), db(std::make_shared<watched_store>(dir.path)), listener(sys.spawn(client, &out)),
        writer(sys.spawn(store_writer, options, db)) {}

  void write(uint64_t ticket, store_write x, priority level = priority::normal) {
    caf::anon_send(writer, sys.flow(level), atom::write_v, listener, ticket, std::move(x));
  }
  void write(uint64_t ticket, priority level = priority::normal) {
    write(ticket, insert("u", {row(ticket, fmt::format("m{}", ticket))}), level);
  }

  scratch dir;
  std::vector<told> out;
  frozen_system sys;
  std::shared_ptr<watched_store> db;
  store_client_actor listener;
  store_writer_actor writer;
};

} // namespace

TEST_CASE("a writer commits a lone write without waiting and tells its client") {
  setup x;
  x.write(7);
  x.sys.run();
  REQUIRE(x.out.size() == 1);
  CHECK(x.out[0].ticket == 7);
  CHECK(x.out[0].code == ec::none);
  CHECK(ids(load(*x.db, "u")) == std::vector<std::string>{"m7"});
}

TEST_CASE("a writer commits everything that waits in one transaction") {
  setup x;
  for (uint64_t i = 1; i <= 500; ++i)
    x.write(i);
  x.sys.run();
  CHECK(x.out.size() == 500);
  CHECK(x.db->batches == std::vector<size_t>{500});
  CHECK(load(*x.db, "u").memories.size() == 500);
  auto text = prometheus::TextSerializer{}.Serialize(x.sys.services->metrics.Collect());
  CHECK_THAT(text,
             Contains("sotto_store_writes_total 500") && Contains("sotto_store_commits_total 1"));
}

TEST_CASE("a writer tells each client whether its own write was stored, under any interleaving") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    setup x{{}, seed};
    x.write(1);
    x.write(2, insert("u", {row(1, "m2")}));
    x.write(3);
    x.sys.run();
    x.write(4, insert("u", {row(4, "")}));
    x.sys.run();
    REQUIRE(x.out.size() == 4);
    for (auto& y : x.out)
      CHECK((y.code == ec::invalid) == (y.ticket == 2 || y.ticket == 4));
    CHECK(ids(load(*x.db, "u")) == std::vector<std::string>{"m1", "m3"});
  }
}

TEST_CASE("a writer bounds a transaction by writes and by bytes") {
  store_writer_options options;
  options.max_writes = 10;
  options.max_bytes = 10'000;
  setup x{options};
  for (uint64_t i = 1; i <= 25; ++i)
    x.write(i);
  x.sys.run();
  CHECK(x.db->batches == std::vector<size_t>{10, 10, 5});
  x.db->batches.clear();
  x.write(30);
  x.write(31, insert("u", {row(31, "large", std::string(20'000, 'x'))}));
  x.write(32);
  x.sys.run();
  CHECK(x.db->batches == std::vector<size_t>{1, 1, 1});
  CHECK(x.out.size() == 28);
}

TEST_CASE("a writer gathers the important first") {
  store_writer_options options;
  options.max_writes = 2;
  setup x{options};
  x.write(1, priority::background);
  x.write(2, priority::low);
  x.write(3, priority::critical);
  x.write(4, priority::high);
  x.sys.run();
  CHECK(x.db->order == std::vector<std::string>{"m3", "m4", "m2", "m1"});
}

TEST_CASE("a drain is answered after what was sent before it, whatever the levels") {
  setup x;
  for (uint64_t i = 1; i <= 100; ++i)
    x.write(i, priority::background);
  auto answer = x.sys.ask<atom::drained>(x.writer, x.sys.flow(priority::critical), atom::drain_v);
  REQUIRE(answer);
  CHECK(std::accumulate(x.db->batches.begin(), x.db->batches.end(), size_t{0}) == 100);
  CHECK(x.out.size() == 100);
  CHECK(x.sys.ask<atom::drained>(x.writer, x.sys.flow(), atom::drain_v));
}

TEST_CASE("a drain does not wait for what is sent after it") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    store_writer_options options;
    options.max_writes = 4;
    setup x{options, seed};
    uint64_t next = 100;
    auto answered = false;
    // While the disk is busy with one transaction there comes more, of all levels, as under load.
    x.db->meanwhile = [&] {
      answered = answered || !(*x.sys.self)->mailbox().empty();
      for (int i = 0; i < 3 && !answered && next < 3000; ++i, ++next)
        x.write(next, static_cast<priority>(next % priority_levels));
    };
    for (uint64_t i = 1; i <= 20; ++i)
      x.write(i, static_cast<priority>(i % priority_levels));
    auto before = [&] {
      return std::ranges::count_if(x.out, [](const told& y) { return y.ticket <= 20; });
    };
    auto answer = (*x.sys.self)->request(x.writer, caf::infinite, x.sys.flow(), atom::drain_v);
    auto& jobs = x.sys.scheduler().jobs;
    while (!jobs.empty() && (*x.sys.self)->mailbox().empty())
      x.sys.scheduler().run_once();
    CHECK(std::ranges::count(x.db->order, "") == 0);
    CHECK(x.db->batches.size() < 100);
    x.sys.run();
    CHECK(before() == 20);
    answer.receive([](atom::drained) {}, [](caf::error&) { FAIL("refused"); });
    CHECK(next < 3000);
  }
}

TEST_CASE("a drain is answered where the mailbox has no room") {
  setup x;
  x.sys.services->mailbox_bound = 16;
  for (uint64_t i = 1; i <= 16; ++i)
    x.write(i, priority::critical);
  auto answer = (*x.sys.self)
                    ->request<caf::message_priority::high>(x.writer, caf::infinite, x.sys.flow(),
                                                           atom::drain_v);
  x.sys.run();
  REQUIRE_FALSE((*x.sys.self)->mailbox().empty());
  answer.receive([](atom::drained) {}, [](caf::error&) { FAIL("refused"); });
  CHECK(load(*x.db, "u").memories.size() == 16);
}

TEST_CASE("a writer acknowledges nothing when the transaction fails, and goes on") {
  setup x;
  x.db->full = true;
  for (uint64_t i = 1; i <= 3; ++i)
    x.write(i);
  x.sys.run();
  REQUIRE(x.out.size() == 3);
  for (auto& y : x.out)
    CHECK(y.code == ec::storage_failed);
  x.db->full = false;
  x.write(4);
  x.sys.run();
  REQUIRE(x.out.size() == 4);
  CHECK(x.out.back().code == ec::none);
}

TEST_CASE("a write past its deadline is refused, not stored") {
  setup x;
  auto late = x.sys.flow(priority::normal, std::chrono::milliseconds{5});
  x.sys.scheduler().advance_time(std::chrono::milliseconds{10});
  caf::anon_send(x.writer, late, atom::write_v, x.listener, uint64_t{1},
                 insert("u", {row(1, "a")}));
  x.sys.run();
  REQUIRE(x.out.size() == 1);
  CHECK(x.out[0].code == ec::timeout);
  CHECK(load(*x.db, "u").memories.empty());
}

TEST_CASE("a writer that is told to stop leaves no client without an answer") {
  for (auto reason : {caf::exit_reason::user_shutdown, caf::exit_reason::kill}) {
    setup x;
    for (uint64_t i = 1; i <= 5; ++i)
      x.write(i);
    caf::anon_send_exit(x.writer, reason);
    x.write(6);
    x.sys.run();
    CHECK(x.out.size() == 6);
    auto stored = load(*x.db, "u").memories.size();
    auto said =
        std::count_if(x.out.begin(), x.out.end(), [](const told& y) { return y.code == ec::none; });
    CHECK(static_cast<size_t>(said) == stored);
  }
}
