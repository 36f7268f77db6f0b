#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

struct echo_state {
  static inline const char* name = "echo";
  std::string served;
};

analyser_actor::behavior_type echo(actor_of<analyser_actor, echo_state>* self) {
  return {[self](const context& ctx, atom::analyse, const std::string& text) {
    self->state.served += text;
    (void)self->child(ctx);
    return std::vector<std::string>{self->state.served};
  }};
}

struct store_log {
  static inline const char* name = "store_log";
  std::vector<ec> told;
};

store_client_actor::behavior_type
told(caf::stateful_actor<store_log, store_client_actor::base>* self, std::vector<ec>* out) {
  (void)self;
  return {[out](const context&, atom::committed, uint64_t, const failure& why) {
    out->push_back(why.code);
  }};
}

struct writer_state {
  static inline const char* name = "writer";
};

store_writer_actor::behavior_type idle_writer(actor_of<store_writer_actor, writer_state>*) {
  return {
      [](const context&, atom::write, const store_client_actor&, uint64_t, const store_write&) {},
      [](const context&, atom::drain) { return atom::drained_v; }};
}

} // namespace

TEST_CASE("a mailbox serves the important first", "[caf]") {
  test::frozen_system sys;
  auto a = sys.spawn(echo);
  for (auto level : {priority::background, priority::normal, priority::critical, priority::high})
    caf::anon_send(a, sys.flow(level), atom::analyse_v, std::string(to_string(level), 0, 1));
  auto last = sys.ask<std::vector<std::string>>(a, sys.flow(priority::background), atom::analyse_v,
                                                std::string{"."});
  REQUIRE(last);
  CHECK(last->front() == "chnb.");
}

TEST_CASE("a full mailbox refuses the newest of the lowest level and says so", "[caf]") {
  test::frozen_system sys;
  sys.services->mailbox_bound = 3;
  std::vector<ec> out;
  auto client = sys.spawn(told, &out);
  auto writer = sys.spawn(idle_writer);
  auto put = [&](priority level) {
    caf::anon_send(writer, sys.flow(level), atom::write_v, client, uint64_t{1}, store_write{});
  };
  for (int i = 0; i < 3; ++i)
    put(priority::low);
  put(priority::high); // takes the place of a low one
  put(priority::background);
  sys.run();
  CHECK(out == std::vector<ec>{ec::overloaded, ec::overloaded});
}

TEST_CASE("a message that waited past its deadline is refused, not served", "[caf]") {
  test::frozen_system sys;
  auto a = sys.spawn(echo);
  auto late = sys.flow(priority::normal, 10ms);
  sys.scheduler().advance_time(20ms);
  auto answer = sys.ask<std::vector<std::string>>(a, late, atom::analyse_v, std::string{"x"});
  REQUIRE_FALSE(answer);
  CHECK(to_failure(answer.error()).code == ec::timeout);
}

TEST_CASE("what waits in an actor that stops is answered", "[caf]") {
  test::frozen_system sys;
  std::vector<ec> out;
  auto client = sys.spawn(told, &out);
  auto writer = sys.spawn(idle_writer);
  caf::anon_send_exit(writer, caf::exit_reason::kill);
  caf::anon_send(writer, sys.flow(), atom::write_v, client, uint64_t{1}, store_write{});
  sys.run();
  caf::anon_send(writer, sys.flow(), atom::write_v, client, uint64_t{2}, store_write{});
  sys.run();
  REQUIRE(out.size() + sys.services->flows.find(0, 0).size() >= 2);
  CHECK(std::count(out.begin(), out.end(), ec::unavailable) >= 1);
}

TEST_CASE("every message is recorded with its flow, receiver and times", "[caf]") {
  test::frozen_system sys;
  auto a = sys.spawn(echo);
  auto ctx = sys.flow(priority::high);
  REQUIRE(sys.ask<std::vector<std::string>>(a, ctx, atom::analyse_v, std::string{"x"}));
  auto found = sys.services->flows.find(ctx.trace_hi, ctx.trace_lo);
  REQUIRE(found.size() == 1);
  CHECK(found[0].receiver == a.id());
  CHECK(std::string{found[0].receiver_type} == "echo");
  CHECK(found[0].verb == static_cast<uint64_t>(caf::atom("analyse")));
  CHECK(found[0].ctx.span == ctx.span);
  CHECK(found[0].started >= found[0].enqueued);
}
