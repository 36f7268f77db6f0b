#include "runtime/isolated.hpp"

#include <future>

#include "runtime/isolation.hpp"
#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// A process that the test plays.
struct played : child_process {
  void send(std::string frame) override { sent.push_back(std::move(frame)); }
  void kill() override { killed = true; }

  child_events events;
  std::vector<std::string> sent;
  bool killed = false;
};

/// Outlives the system: what is still under way at the end is answered then.
struct answers_of_test {
  std::vector<std::optional<std::variant<std::string, failure>>> answers;
};

struct isolating : answers_of_test, test::frozen_system {
  isolated_host_actor start(size_t max_waiting = 64) {
    isolated_settings with;
    with.operation = "shout";
    with.max_waiting = max_waiting;
    with.timeout = 2s;
    with.start = [this](child_events events) -> caf::expected<std::shared_ptr<child_process>> {
      if (refuse)
        return to_error({ec::unavailable, "no such program", {}});
      auto x = std::make_shared<played>();
      x->events = std::move(events);
      processes.push_back(x);
      return std::shared_ptr<child_process>{x};
    };
    return spawn(isolated, with);
  }

  void send(const isolated_host_actor& to, std::string frame,
            std::function<bool(int64_t)> unwanted = {}) {
    auto place = answers.size();
    answers.emplace_back();
    isolated_job job{
        std::move(frame),
        [this, place](std::variant<std::string, failure> x) { answers[place] = std::move(x); },
        std::move(unwanted)};
    caf::anon_send(to, flow(), atom::run_v, std::move(job));
    run();
  }

  ec code(size_t i) {
    auto* why = answers.at(i) ? std::get_if<failure>(&*answers[i]) : nullptr;
    return why ? why->code : ec::none;
  }

  bool refuse = false;
  std::vector<std::shared_ptr<played>> processes;
};

} // namespace

TEST_CASE_METHOD(isolating, "a process serves one batch after the other", "[caf]") {
  auto host = start();
  CHECK(processes.empty()); // none before there is work
  send(host, "one");
  send(host, "two");
  REQUIRE(processes.size() == 1);
  CHECK(processes[0]->sent == std::vector<std::string>{"one"});
  processes[0]->events.on_frame("ONE");
  run();
  CHECK(std::get<std::string>(*answers[0]) == "ONE");
  CHECK(processes[0]->sent.back() == "two");
  processes[0]->events.on_frame("TWO");
  run();
  CHECK(std::get<std::string>(*answers[1]) == "TWO");
  CHECK(processes.size() == 1);
}

TEST_CASE_METHOD(isolating, "a process that dies fails its batch alone and is started again",
                 "[caf]") {
  auto host = start();
  send(host, "deadly");
  send(host, "harmless");
  processes[0]->events.on_exit("killed by signal 11");
  run();
  CHECK(code(0) == ec::internal);
  REQUIRE(processes.size() == 2);
  CHECK(processes[1]->sent == std::vector<std::string>{"harmless"});
  SECTION("and what the dead one said comes too late") {
    processes[0]->events.on_frame("?");
    run();
    CHECK_FALSE(answers[1]);
  }
  processes[1]->events.on_frame("fine");
  run();
  CHECK(std::get<std::string>(*answers[1]) == "fine");
}

TEST_CASE_METHOD(isolating, "a process that keeps dying is started after longer and longer pauses",
                 "[caf]") {
  auto host = start();
  for (int i = 0; i < 8; ++i)
    send(host, "deadly");
  processes[0]->events.on_exit("exit code 1");
  run();
  REQUIRE(processes.size() == 2); // the first time at once
  processes[1]->events.on_exit("exit code 1");
  run();
  CHECK(processes.size() == 2);
  pass(25ms);
  REQUIRE(processes.size() == 3);
  processes[2]->events.on_exit("exit code 1");
  pass(25ms);
  CHECK(processes.size() == 3);
  pass(25ms);
  CHECK(processes.size() == 4);
}

TEST_CASE_METHOD(isolating, "a batch that takes too long is killed", "[caf]") {
  auto host = start();
  send(host, "endless");
  pass(1s);
  CHECK_FALSE(processes[0]->killed);
  pass(1100ms);
  REQUIRE(processes[0]->killed);
  processes[0]->events.on_exit("killed by signal 9");
  run();
  CHECK(code(0) == ec::internal);
  CHECK(std::get<failure>(*answers[0]).message.find("too long") != std::string::npos);
}

TEST_CASE_METHOD(isolating, "a batch that nobody waits for any more is not sent to the process",
                 "[caf]") {
  auto host = start();
  auto wanted = true;
  send(host, "one");
  send(host, "unwanted", [&](int64_t) { return !wanted; });
  send(host, "three");
  wanted = false;
  processes[0]->events.on_frame("ONE");
  run();
  CHECK(code(1) == ec::timeout);
  CHECK(processes[0]->sent == std::vector<std::string>{"one", "three"});
  processes[0]->events.on_frame("THREE");
  run();
  CHECK(std::get<std::string>(*answers[2]) == "THREE");
}

TEST_CASE_METHOD(isolating, "a program that cannot be started refuses in the end", "[caf]") {
  refuse = true;
  auto host = start();
  send(host, "anything");
  for (int i = 0; i < 200 && !answers[0]; ++i)
    pass(1s);
  CHECK(code(0) == ec::unavailable);
}

TEST_CASE_METHOD(isolating, "too many batches are refused, and what waits at the end is told",
                 "[caf]") {
  auto host = start(2);
  for (int i = 0; i < 3; ++i)
    send(host, "x");
  CHECK(code(2) == ec::overloaded);
  caf::anon_send_exit(host, caf::exit_reason::user_shutdown);
  run();
  CHECK(code(0) == ec::unavailable);
  CHECK(code(1) == ec::unavailable);
  CHECK(processes[0]->killed);
}

TEST_CASE("a batch and its outcome pass a process unharmed") {
  operation<std::string, std::vector<float>> what;
  what.compute = [](std::span<const std::string* const> items) {
    std::vector<std::variant<std::vector<float>, failure>> results;
    for (auto* x : items) {
      if (*x == "throw")
        throw std::runtime_error("on purpose");
      if (x->empty())
        results.emplace_back(failure{ec::invalid, "empty", "text"});
      else
        results.emplace_back(std::vector<float>(x->size(), 0.5F));
    }
    return results;
  };
  allow_isolation(what);
  auto serve = serve_frames(what);
  auto outcome = what.decode(serve(what.encode({"ab", "", "c"})));
  auto* results = std::get_if<0>(&outcome);
  REQUIRE(results);
  REQUIRE(results->size() == 3);
  CHECK(std::get<0>((*results)[0]) == std::vector<float>{0.5F, 0.5F});
  CHECK(std::get<failure>((*results)[1]).param == "text");
  auto thrown = what.decode(serve(what.encode({"throw"})));
  REQUIRE(std::get_if<failure>(&thrown));
  CHECK(std::get<failure>(thrown).message.find("on purpose") != std::string::npos);
  auto noise = what.decode("\x07garbage");
  CHECK(std::get_if<failure>(&noise));
  CHECK_FALSE(serve("garbage").empty());
}

TEST_CASE("the end of a child process is seen, however it ends", "[process]") {
  reactor io;
  std::promise<std::string> end;
  child_events events{[](const std::string&) {},
                      [&](std::string how) { end.set_value(std::move(how)); }};
  SECTION("by itself") {
    REQUIRE(start_child(io, {"/bin/false"}, events));
    CHECK(end.get_future().get() == "exit code 1");
    return;
  }
  SECTION("closing its socket only") {
    REQUIRE(start_child(io, {"/bin/sh", "-c", "exec 3>&-; exec sleep 60"}, events));
    CHECK(end.get_future().get().find("signal 9") != std::string::npos);
    return;
  }
  auto child = start_child(io, {"/bin/sleep", "60"}, events);
  REQUIRE(child);
  (*child)->kill();
  CHECK(end.get_future().get().find("signal 9") != std::string::npos);
}

TEST_CASE("a program that is not there is an error", "[process]") {
  reactor io;
  auto child = start_child(io, {"/no/such/program"}, {});
  REQUIRE_FALSE(child);
  CHECK(to_failure(child.error()).code == ec::unavailable);
}
