#include "actors/death_watch.hpp"

#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// A process that the test plays.
struct played_watcher : child_process {
  void send(std::string frame) override { told.push_back(std::move(frame)); }
  void kill() override { killed = true; }

  child_events events;
  std::vector<std::string> told;
  bool killed = false;
};

struct watching : test::frozen_system {
  std::vector<std::shared_ptr<played_watcher>> children;
  bool refuses = false;
  int tries = 0;

  death_watch_actor start() {
    death_watch_parts parts;
    parts.order = "of node a";
    parts.start = [this](child_events events) -> caf::expected<std::shared_ptr<child_process>> {
      ++tries;
      if (refuses)
        return to_error({ec::unavailable, "no such program", {}});
      auto x = std::make_shared<played_watcher>();
      x->events = std::move(events);
      children.push_back(x);
      return std::shared_ptr<child_process>{x};
    };
    auto x = spawn(death_watch, std::move(parts));
    run();
    return x;
  }

  void end_last() {
    children.back()->events.on_exit("killed by signal 9 (Killed)");
    run();
  }
};

} // namespace

TEST_CASE_METHOD(watching, "a watcher is told whose death it waits for", "[death_watch]") {
  auto x = start();
  REQUIRE(children.size() == 1);
  CHECK(children[0]->told == std::vector<std::string>{"of node a"});
  pass(1h);
  CHECK(children.size() == 1);
}

TEST_CASE_METHOD(watching, "a watcher that ends is followed by another, later and later",
                 "[death_watch]") {
  auto x = start();
  end_last();
  CHECK(children.size() == 1);
  pass(1s);
  REQUIRE(children.size() == 2);
  CHECK(children[1]->told == std::vector<std::string>{"of node a"});
  end_last();
  pass(1s);
  CHECK(children.size() == 2);
  pass(1s);
  CHECK(children.size() == 3);
  // One that lived long begins the count anew.
  pass(2min);
  end_last();
  pass(1s);
  CHECK(children.size() == 4);
}

TEST_CASE_METHOD(watching, "a watcher that cannot be started is tried again", "[death_watch]") {
  refuses = true;
  auto x = start();
  CHECK(tries == 1);
  pass(1s);
  CHECK(tries == 2);
  refuses = false;
  pass(2s);
  CHECK(children.size() == 1);
}

TEST_CASE_METHOD(watching, "a node that ends in order takes its watcher with it", "[death_watch]") {
  auto x = start();
  caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
  x = death_watch_actor{};
  run();
  CHECK(children.at(0)->killed);
  end_last(); // nobody is there any more
  CHECK(tries == 1);
}
