#include "test/runtime/batching_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(measuring, "a lone request is run at once", "[caf]") {
  auto actor = start(what());
  auto x = ask<vector>(actor, flow(), atom::embed_v, std::string{"four"});
  REQUIRE(x);
  CHECK(*x == vector{4});
  CHECK(calls == 1);
}

TEST_CASE_METHOD(measuring, "what is light is run one by one, once that is known", "[caf]") {
  auto x = what();
  x.limits.light = 1'000; // nothing takes any time here
  auto actor = start(x);
  for (int i = 0; i < 30; ++i)
    request(actor, i % 3 == 0 ? "poison" : i % 3 == 1 ? "bad" : "four", flow());
  run();
  for (size_t i = 0; i < 30; ++i)
    CHECK(code(i) == (i % 3 == 0 ? ec::internal : i % 3 == 1 ? ec::invalid : ec::none));
  // Before, they were gathered.
  CHECK(*std::max_element(sizes.begin(), sizes.end()) > 1);
  sizes.clear();
  auto before = metric(*places, "sotto_batch_submitted_total");
  for (int i = 0; i < 20; ++i)
    request(actor, "four", flow());
  run();
  CHECK(sizes == std::vector<size_t>(20, 1));
  CHECK(code(49) == ec::none);
  CHECK(metric(*places, "sotto_batch_submitted_total") - before == 20);
}

TEST_CASE_METHOD(measuring, "equal requests are computed once", "[caf]") {
  auto actor = start(what());
  auto numbers = 5'000;
  // All wait in the mailbox before the batcher runs for the first time.
  for (int i = 0; i < numbers; ++i)
    request(actor, "the same", flow());
  auto& jobs = scheduler().jobs;
  std::stable_partition(jobs.begin(), jobs.end(), [](auto* x) {
    return dynamic_cast<caf::event_based_actor*>(x) != nullptr;
  });
  run();
  for (size_t i = 0; i < answers.size(); ++i)
    REQUIRE(code(i) == ec::none);
  CHECK(calls < 5);
  CHECK(metric(*places, "sotto_batch_coalesced_total") == 5'000 - static_cast<double>(calls));
  CHECK(metric(*places, "sotto_batch_saved_calls_total") == 5'000 - static_cast<double>(calls));
}

TEST_CASE_METHOD(measuring, "what waits is gathered into batches of the configured size", "[caf]") {
  auto x = what();
  x.limits.max_items = 10;
  auto actor = start(std::move(x));
  for (int i = 0; i < 100; ++i)
    request(actor, std::string(static_cast<size_t>(i), 'x'), flow());
  run();
  for (size_t i = 0; i < 100; ++i) {
    REQUIRE(code(i) == ec::none);
    CHECK(**answers[i] == vector{static_cast<float>(i)});
  }
  CHECK(*std::max_element(sizes.begin(), sizes.end()) <= 10);
  CHECK(calls < 100);
}

TEST_CASE_METHOD(measuring, "a poisonous item fails alone", "[caf]") {
  auto actor = start(what());
  for (int i = 0; i < 40; ++i)
    request(actor, i == 17 ? "poison" : std::to_string(i), flow());
  run();
  for (size_t i = 0; i < 40; ++i)
    CHECK(code(i) == (i == 17 ? ec::internal : ec::none));
}

TEST_CASE_METHOD(measuring, "an array keeps its order and passes the queue in slices", "[caf]") {
  auto actor = start(what());
  std::vector<std::string> texts;
  for (size_t i = 0; i < 1000; ++i)
    texts.push_back(std::string(i % 37, 'x'));
  auto x = ask<std::vector<vector>>(actor, flow(), atom::embed_v, texts);
  REQUIRE(x);
  REQUIRE(x->size() == 1000);
  for (size_t i = 0; i < 1000; ++i)
    CHECK((*x)[i] == vector{static_cast<float>(i % 37)});
  CHECK(*std::max_element(sizes.begin(), sizes.end()) < 1000);
  CHECK(metric(*places, "sotto_batch_array_items_total", "normal") == 1000);
  auto none = ask<std::vector<vector>>(actor, flow(), atom::embed_v, std::vector<std::string>{});
  REQUIRE(none);
  CHECK(none->empty());
}

TEST_CASE_METHOD(measuring, "an array with a bad item says which", "[caf]") {
  auto actor = start(what());
  std::vector<std::string> texts(300, "fine");
  SECTION("that fails by itself") {
    texts[200] = "bad";
  }
  SECTION("that takes its slice with it") {
    texts[200] = "poison";
  }
  auto x = ask<std::vector<vector>>(actor, flow(), atom::embed_v, texts);
  REQUIRE_FALSE(x);
  CHECK(to_failure(x.error()).param == "input[200]");
  CHECK(ask<vector>(actor, flow(), atom::embed_v, std::string{"next"}));
}

TEST_CASE_METHOD(measuring, "a single request does not wait for a long array", "[caf]") {
  auto actor = start(what());
  std::vector<std::string> texts(10'000, "fine");
  std::optional<size_t> calls_at_answer;
  auto whole = (*self)->request(actor, caf::infinite, flow(), atom::embed_v, texts);
  system->spawn([&, actor, ctx = flow()](caf::event_based_actor* me) {
    me->request(actor, caf::infinite, ctx, atom::embed_v, std::string{"quick"})
        .then([&](const vector&) { calls_at_answer = calls; });
  });
  run();
  REQUIRE(calls_at_answer);
  CHECK(*calls_at_answer < 20); // of nearly eighty slices
  whole.receive([](const std::vector<vector>& x) { CHECK(x.size() == 10'000); },
                [](caf::error&) { FAIL("the array failed"); });
}

TEST_CASE_METHOD(measuring, "arrays are served by their priority", "[caf]") {
  auto actor = start(what());
  std::vector<std::string> order;
  auto array = [&](std::string name, priority level, size_t size) {
    system->spawn([&order, actor, name, ctx = flow(level), size](caf::event_based_actor* me) {
      me->request(actor, caf::infinite, ctx, atom::embed_v, std::vector<std::string>(size, "x"))
          .then([&order, name](const std::vector<vector>&) { order.push_back(name); });
    });
  };
  for (int i = 0; i < 8; ++i)
    array("background", priority::background, 5'000);
  array("high", priority::high, 5'000);
  run();
  REQUIRE(order.size() == 9);
  CHECK(order.front() == "high");
}

TEST_CASE_METHOD(measuring, "too much is refused, by priority", "[caf]") {
  auto x = what();
  x.queue.bound = 4;
  x.start = [](text_op::run) {}; // never ends: what comes now waits
  x.max_running = 1;
  auto actor = start(std::move(x));
  request(actor, "running", flow());
  run();
  for (int i = 0; i < 4; ++i) {
    request(actor, "low" + std::to_string(i), flow(priority::low));
    run();
  }
  request(actor, "important", flow(priority::high));
  run();
  CHECK(code(4) == ec::overloaded); // the newest of the lowest
  CHECK_FALSE(answers[5]);
  auto many =
      ask<std::vector<vector>>(actor, flow(), atom::embed_v, std::vector<std::string>(5, "array"));
  REQUIRE_FALSE(many);
  CHECK(to_failure(many.error()).code == ec::overloaded);
  CHECK(metric(*places, "sotto_batch_refused_total", "low") == 1);
}

TEST_CASE_METHOD(measuring, "an operation that ends elsewhere answers when it is done", "[caf]") {
  std::vector<text_op::run> under_way;
  auto x = what();
  x.start = [&](text_op::run job) { under_way.push_back(std::move(job)); };
  x.max_running = 2;
  auto actor = start(std::move(x));
  for (int i = 0; i < 3; ++i) {
    request(actor, std::string(static_cast<size_t>(i), 'x'), flow());
    run();
  }
  REQUIRE(under_way.size() == 2); // the third waits for a place
  SECTION("in any order") {
    for (auto i : {1, 0}) {
      under_way[static_cast<size_t>(i)]->outcome = text_op::results{vector{7}};
      under_way[static_cast<size_t>(i)]->done();
      run();
    }
    CHECK(code(0) == ec::none);
    CHECK(code(1) == ec::none);
    REQUIRE(under_way.size() == 3);
    under_way[2]->outcome = failure{ec::upstream_failed, "no", {}};
    under_way[2]->done();
    run();
    CHECK(code(2) == ec::upstream_failed);
  }
  SECTION("with the wrong count, all fail") {
    under_way[0]->outcome = text_op::results{};
    under_way[0]->done();
    run();
    CHECK(code(0) == ec::internal);
  }
  SECTION("not at all, when the batcher stops") {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    run();
    for (size_t i = 0; i < 3; ++i)
      CHECK(code(i) == ec::unavailable);
    under_way[0]->done(); // nobody is there any more
    run();
  }
}

TEST_CASE_METHOD(measuring, "a deadline that passes in the queue is told", "[caf]") {
  std::vector<text_op::run> under_way;
  auto x = what();
  x.start = [&](text_op::run job) { under_way.push_back(std::move(job)); };
  x.max_running = 1;
  auto actor = start(std::move(x));
  request(actor, "first", flow());
  run();
  request(actor, "second", flow(priority::normal, 1s));
  run();
  pass(2s);
  under_way[0]->outcome = text_op::results{vector{1}};
  under_way[0]->done();
  pass(10ms); // more than any window
  CHECK(code(0) == ec::none);
  REQUIRE(answers[1]);
  CHECK(code(1) == ec::timeout);
  CHECK(under_way.size() == 1);
}

TEST_CASE_METHOD(measuring, "what nobody waits for any more is not begun", "[caf]") {
  std::vector<text_op::run> runs;
  auto x = what();
  x.max_running = 1;
  x.start = [&](text_op::run job) { runs.push_back(std::move(job)); };
  auto actor = start(x);
  auto finish = [&] {
    auto job = runs.back();
    job->outcome = text_op::results(job->items.size(), vector{1});
    job->done();
    run();
  };
  auto ask_from_actor = [&](std::vector<std::string> texts) {
    auto asker = system->spawn([=, ctx = flow()](caf::event_based_actor* me) {
      me->request(actor, caf::infinite, ctx, atom::embed_v, texts)
          .then([](const std::vector<vector>&) {}, [](const caf::error&) {});
    });
    run();
    return asker;
  };
  request(actor, "first", flow());
  run();
  auto gone = ask_from_actor({"dropped", "shared"});
  auto stays = ask_from_actor({"shared", "kept"});
  caf::anon_send_exit(gone, caf::exit_reason::kill);
  run();
  finish();
  REQUIRE(runs.size() == 2);
  CHECK(runs[1]->items == std::vector<std::string>{"shared", "kept"});
  finish();
  CHECK(metric(*places, "sotto_batch_cancelled_total") >= 1);
}

TEST_CASE_METHOD(measuring, "a batch is wanted until the last deadline of all who wait", "[caf]") {
  std::vector<text_op::run> runs;
  auto x = what();
  x.start = [&](text_op::run job) { runs.push_back(std::move(job)); };
  auto actor = start(x);
  auto now = [&] { return scheduler().clock().now().time_since_epoch().count(); };
  request(actor, "text", flow(priority::normal, 2s));
  run();
  REQUIRE(runs.size() == 1);
  CHECK_FALSE(runs[0]->unwanted(now() + 1'000'000'000));
  CHECK(runs[0]->unwanted(now() + 3'000'000'000));
  request(actor, "text", flow(priority::normal, 5s)); // joins
  run();
  REQUIRE(runs.size() == 1);
  CHECK_FALSE(runs[0]->unwanted(now() + 3'000'000'000));
  CHECK(runs[0]->unwanted(now() + 6'000'000'000));
  request(actor, "text", flow());
  run();
  CHECK_FALSE(runs[0]->unwanted(now() + 60'000'000'000));
  runs[0]->outcome = text_op::results(1, vector{1});
  runs[0]->done();
  run();
  for (size_t i = 0; i < 3; ++i)
    CHECK(code(i) == ec::none);
}
