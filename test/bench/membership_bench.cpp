// Membership over a real PostgreSQL (SOTTO_TEST_POSTGRES, see scripts/services): one JSON line a
// measurement. What docs/scaling.md calculates with.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "actors/membership.hpp"
#include "runtime/clock.hpp"
#include "runtime/postgres_cluster.hpp"
#include "runtime/postgres_migrations.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

constexpr uint32_t partitions = 256;
constexpr double nano = 1e-9;

postgres::target database;

void report(std::string_view name, size_t nodes, std::string_view unit, double value) {
  std::cout << fmt::format(R"({{"name":"{}","nodes":{},"unit":"{}","value":{:.4g}}})", name, nodes,
                           unit, value)
            << std::endl;
}

[[noreturn]] void stop(const std::string& why) {
  std::cerr << "membership_bench: " << why << "\n";
  std::exit(1);
}

void sure(const failure& why) {
  if (why)
    stop(why.message);
}

template <class T>
T sure(caf::expected<T> x) {
  if (!x)
    stop(to_failure(x.error()).message);
  return std::move(*x);
}

/// A connection of the bench's own, within the schema.
struct side : postgres::connection {
  side() { sure(open(database)); }
  postgres::result ask(const std::string& sql) {
    auto x = run(sql);
    sure(x.why());
    return x;
  }
};

cluster_node node_of(size_t number) {
  cluster_node x;
  x.name = fmt::format("n{}", number);
  x.incarnation = fmt::format("00000000-0000-4000-8000-{:012}", number);
  x.http = fmt::format("http://10.0.0.{}:7700", number);
  x.link = fmt::format("10.0.0.{}:7710", number);
  x.roles = {"gateway", "worker", "llm"};
  return x;
}

/// Seconds on the processor of the backend with this process id.
double processor_of(int64_t pid) {
  std::ifstream stat{fmt::format("/proc/{}/stat", pid)};
  std::string line;
  std::getline(stat, line);
  auto fields = line.substr(line.rfind(')') + 2);
  double user = 0, kernel = 0;
  std::string skipped;
  std::istringstream in{fields};
  for (int i = 0; i < 11; ++i)
    in >> skipped;
  in >> user >> kernel;
  return (user + kernel) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// The cost of a heartbeat with so many nodes in the table.
void heartbeats(size_t nodes) {
  side db;
  db.ask("DELETE FROM nodes");
  db.ask(fmt::format("INSERT INTO nodes(name, incarnation, http, link, roles, capacity, version, "
                     "protocol, state, load, lease, seen) SELECT 'm' || i, gen_random_uuid(), "
                     "'http://10.0.0.1:7700', '10.0.0.1:7710', '{{gateway,worker,llm}}', 1, '0.1', "
                     "1, 'up', '{{\"busy\": 1.5, \"hot\": [[1, 0.5]]}}', '1 h', now() "
                     "FROM generate_series(2, {}) i",
                     nodes));
  db.ask("UPDATE partitions SET changed = now() - interval '1 h'");
  reactor io;
  postgres_cluster store{database, 4s, io};
  sure(store.join({partitions, "ca"}, node_of(1), 1h));
  sure(store.look(true, {}));
  auto pid = db.ask("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
                    "query LIKE 'COMMIT%' ORDER BY query_start DESC LIMIT 1");
  auto backend = pid.rows() > 0 ? pid.number(0, 0) : 0;
  auto cpu = processor_of(backend);
  std::vector<int64_t> times;
  auto start = monotonic_nanos();
  while (monotonic_nanos() - start < 2'000'000'000) {
    auto t = monotonic_nanos();
    sure(store.look(true, {1.5, {{1, 0.5}}}));
    times.push_back(monotonic_nanos() - t);
  }
  cpu = processor_of(backend) - cpu;
  std::ranges::sort(times);
  report("heartbeat_p50", nodes, "ms", static_cast<double>(times[times.size() / 2]) * 1e-6);
  report("heartbeat_p99", nodes, "ms", static_cast<double>(times[times.size() * 99 / 100]) * 1e-6);
  report("heartbeat_database_cpu", nodes, "ms", cpu / static_cast<double>(times.size()) * 1e3);
  sure(store.leave());
}

/// Three nodes take the partitions from each other, so many a statement.
void claims(size_t at_a_time) {
  reactor io;
  std::atomic<uint64_t> claimed{0};
  std::vector<std::thread> threads;
  auto start = monotonic_nanos();
  for (size_t n = 1; n <= 3; ++n)
    threads.emplace_back([&, n] {
      postgres_cluster store{database, 4s, io};
      sure(store.join({partitions, "ca"}, node_of(n), 1h));
      while (monotonic_nanos() - start < 2'000'000'000) {
        auto rows = sure(store.look(false, {})).partitions;
        std::vector<partition_epoch> wish, got;
        for (auto& x : rows)
          if (x.node.empty() && (wish.size() < at_a_time))
            wish.push_back({x.number, x.epoch});
        if (!wish.empty())
          got = sure(store.claim(wish));
        claimed += got.size();
        if (!got.empty())
          sure(store.release(got));
      }
      sure(store.leave());
    });
  for (auto& x : threads)
    x.join();
  report(fmt::format("claims_of_{}", at_a_time), 3, "claims/s",
         static_cast<double>(claimed) / (static_cast<double>(monotonic_nanos() - start) * nano));
}

/// One decision in a cluster at rest, and one just after a death.
void planning(uint32_t count, size_t nodes) {
  std::vector<placement_node> live;
  for (size_t n = 0; n < nodes; ++n)
    live.push_back({fmt::format("n{}", n), 1});
  std::vector<placed_partition> rows;
  for (uint32_t p = 0; p < count; ++p)
    rows.push_back({p, {}, {}, 0, INT64_MAX});
  for (auto& x : place(live, rows, {}).claims)
    rows[x.number].owner = x.to;
  auto timed = [&] {
    int rounds = 0;
    size_t sum = 0;
    auto start = monotonic_nanos();
    for (; monotonic_nanos() - start < 500'000'000; ++rounds)
      sum += place(live, rows, {}).claims.size();
    report(fmt::format("plan_{}_of_{}", sum > 0 ? "death" : "rest", count), nodes, "ms",
           static_cast<double>(monotonic_nanos() - start) * 1e-6 / rounds);
  };
  timed();
  for (auto& x : rows)
    if (x.owner == live.back().name)
      x.owner.clear();
  live.pop_back();
  timed();
}

struct told {
  std::atomic<size_t> owned{0};
  std::vector<std::atomic<bool>> mine = std::vector<std::atomic<bool>>(partitions);
  std::atomic<bool> dead{false};
};

using client_of_bench = caf::stateful_actor<caf::unit_t, base_actor<cluster_client_actor::base>>;

/// Drains at once.
cluster_client_actor::behavior_type client(client_of_bench* self, std::shared_ptr<told> into) {
  return {
      [self, into](const context&, atom::ownership, const std::vector<ownership>& changes) {
        auto to = caf::actor_cast<membership_actor>(self->current_sender());
        for (auto& x : changes) {
          into->mine[x.partition] = x.is == ownership::state::owned;
          if (x.is == ownership::state::releasing)
            self->send<caf::message_priority::high>(to, context{}, atom::flushed_v, x.partition,
                                                    x.epoch);
        }
        into->owned = static_cast<size_t>(
            std::ranges::count_if(into->mine, [](auto& y) { return y.load(); }));
      },
      [](const context&, atom::members, const std::vector<cluster_member>&) {},
  };
}

struct member {
  std::shared_ptr<told> heard = std::make_shared<told>();
  membership_actor actor;
};

member start(caf::actor_system& system, size_t number, reactor& io) {
  member x;
  membership_setup setup;
  setup.with.name = node_of(number).name;
  setup.cluster = {partitions, "ca"};
  setup.self = node_of(number);
  setup.store = std::make_shared<postgres_cluster>(database, setup.with.margin, io);
  setup.writes = std::make_shared<fence>(setup.self.incarnation);
  setup.serving = std::make_shared<serving_lease>();
  setup.give_up = [](const failure& why) { stop(why.message); };
  auto listener = system.spawn(client, x.heard);
  x.actor = system.spawn<caf::detached>(membership, std::move(setup), listener);
  return x;
}

/// Seconds until it is so.
template <class F>
double until(F done) {
  auto start = monotonic_nanos();
  while (!done()) {
    if (monotonic_nanos() - start > 60'000'000'000)
      stop("it never came to rest");
    std::this_thread::sleep_for(1ms);
  }
  return static_cast<double>(monotonic_nanos() - start) * nano;
}

double transactions(side& db) {
  db.ask("SELECT pg_stat_force_next_flush()");
  return static_cast<double>(
      db.ask("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
          .number(0, 0));
}

/// `suspected`: the others are told of the death at once, as by their links.
void cluster(size_t count, bool suspected) {
  side db;
  db.ask("DELETE FROM nodes");
  db.ask("UPDATE partitions SET node = NULL, incarnation = NULL");
  reactor io;
  auto services = std::make_shared<node_services>(1, 1024);
  node_config config{services};
  caf::actor_system system{config};
  std::vector<member> members;
  auto total = [&] {
    size_t sum = 0;
    for (auto& x : members)
      sum += x.heard->dead ? 0 : x.heard->owned.load();
    return sum;
  };
  members.push_back(start(system, 1, io));
  report("all_claimed", 1, "s", until([&] { return total() == partitions; }));
  for (size_t n = 2; n <= count; ++n)
    members.push_back(start(system, n, io));
  report("shares_even", count, "s", until([&] {
           return total() == partitions && std::ranges::all_of(members, [&](auto& x) {
                    return x.heard->owned >= partitions / count;
                  });
         }));
  // The statistics come up to a second late.
  std::this_thread::sleep_for(2500ms);
  auto before = transactions(db);
  std::this_thread::sleep_for(4s);
  report("quiet_transactions", count, "per node and s",
         (transactions(db) - before) / 4 / static_cast<double>(count));
  auto& last = members.back();
  caf::anon_send<caf::message_priority::high>(last.actor, context{}, atom::drain_v, std::string{});
  report("drained", count, "s",
         until([&] { return last.heard->owned == 0 && total() == partitions; }));
  auto& first = members.front();
  caf::anon_send_exit(first.actor, caf::exit_reason::kill);
  first.heard->dead = true;
  for (size_t i = 1; suspected && i < members.size(); ++i)
    caf::anon_send<caf::message_priority::high>(members[i].actor, context{}, atom::suspect_v,
                                                node_of(1).name);
  report(suspected ? "suspected_to_served" : "killed_to_served", count, "s",
         until([&] { return total() == partitions; }));
  for (auto& x : members)
    caf::anon_send_exit(x.actor, caf::exit_reason::kill);
}

} // namespace

int main() {
  auto url = std::getenv("SOTTO_TEST_POSTGRES");
  if (!url)
    stop("SOTTO_TEST_POSTGRES is not set: eval \"$(scripts/services start /tmp/services)\"");
  spdlog::set_level(spdlog::level::warn);
  database.url = url;
  database.schema = fmt::format("bench_{}", ::getpid());
  {
    postgres::connection db;
    if (auto why = db.open(database); why || (why = migrate(db, partitions)))
      stop(why.message);
    reactor io;
    postgres_cluster first{database, 4s, io};
    sure(first.join({partitions, "ca"}, node_of(1), 1s));
    sure(first.leave());
  }
  planning(256, 3);
  planning(4096, 100);
  planning(16'384, 1000);
  for (size_t nodes : {3, 10, 100, 1000})
    heartbeats(nodes);
  for (size_t at_a_time : {1, 16, 128})
    claims(at_a_time);
  cluster(3, false);
  cluster(3, true);
  side{}.ask("DROP SCHEMA " + postgres::quoted_name(database.schema) + " CASCADE");
}
