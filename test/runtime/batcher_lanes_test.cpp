#include "test/runtime/batching_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

/// Batches run in a pool whose one worker is the test.
struct pooled : measuring {
  pooled() {
    auto with = std::make_shared<work_places>(*places);
    with->pins["length"] = work_lane::pool;
    with->pool = spawn(
        [](work_pool_actor::pointer, std::vector<work_job>* to) -> work_pool_actor::behavior_type {
          return {[to](const context& ctx, atom::run, work_job& job) {
                    CHECK(ctx.deadline == 0);
                    to->push_back(std::move(job));
                  },
                  [](const context&, atom::completed, uint64_t) {},
                  [](const context&, atom::tick) {}};
        },
        &jobs);
    places = with;
  }

  int64_t now() { return scheduler().clock().now().time_since_epoch().count(); }
  bool unwanted(size_t job) { return jobs.at(job).unwanted(now()); }

  /// As a pool does that finds it unwanted.
  void drop(size_t job) { jobs.at(job).refuse({ec::timeout, "nobody waits", {}}); }

  std::vector<work_job> jobs;
};

} // namespace

TEST_CASE_METHOD(pooled, "a job in a pool is wanted while somebody waits for it", "[caf]") {
  auto actor = start(what());
  request(actor, "text", flow(priority::normal, 2s));
  run();
  REQUIRE(jobs.size() == 1);
  CHECK_FALSE(unwanted(0));
  SECTION("in time") {
    pass(3s);
    REQUIRE(unwanted(0));
    SECTION("who comes after it was given up is served") {
      drop(0);
      request(actor, "text", flow(priority::normal, 2s)); // joins: that it is dropped comes later
      run();
      REQUIRE(answers[0]);
      CHECK(code(0) == ec::timeout);
      REQUIRE(jobs.size() == 2);
      CHECK_FALSE(unwanted(1));
      jobs[1].run();
      run();
      CHECK(code(1) == ec::none);
    }
    SECTION("nobody came") {
      drop(0);
      run();
      REQUIRE(answers[0]);
      CHECK(code(0) == ec::timeout);
      CHECK(jobs.size() == 1);
    }
    CHECK(calls == jobs.size() - 1);
  }
  SECTION("also who joined later") {
    request(actor, "text", flow(priority::normal, 5s));
    run();
    pass(3s);
    CHECK_FALSE(unwanted(0));
    pass(3s);
    CHECK(unwanted(0));
  }
}

TEST_CASE_METHOD(pooled, "a job whose askers have ended is not wanted", "[caf]") {
  auto actor = start(what());
  auto asker = system->spawn([=, ctx = flow()](caf::event_based_actor* me) {
    me->request(actor, caf::infinite, ctx, atom::embed_v, std::string{"text"})
        .then([](const vector&) {}, [](const caf::error&) {});
  });
  run();
  REQUIRE(jobs.size() == 1);
  CHECK_FALSE(unwanted(0));
  caf::anon_send_exit(asker, caf::exit_reason::kill);
  run();
  CHECK(unwanted(0));
  drop(0);
  run();
  CHECK(calls == 0);
}

TEST_CASE_METHOD(pooled, "a slice of an array is not run too late", "[caf]") {
  auto actor = start(what());
  std::vector<std::string> texts(300, "text");
  caf::expected<std::vector<vector>> answer{caf::error{}};
  auto asker = system->spawn([&, ctx = flow(priority::normal, 2s)](caf::event_based_actor* me) {
    me->request(actor, caf::infinite, ctx, atom::embed_v, texts)
        .then([](const std::vector<vector>&) { FAIL("answered"); },
              [&](caf::error& why) { answer = std::move(why); });
  });
  run();
  REQUIRE_FALSE(jobs.empty());
  pass(3s);
  for (size_t i = 0; i < jobs.size(); ++i) {
    CHECK(unwanted(i));
    drop(i);
    run();
  }
  CHECK(calls == 0);
  CHECK(to_failure(answer.error()).code == ec::timeout);
}
