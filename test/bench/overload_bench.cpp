// More turns than a node can serve, offered at a fixed rate whatever it answers (an open loop):
//   overload_bench HOST:PORT [SECONDS [TIMES...]] [--new-connections]
// First the capacity is measured by a closed loop: 100 connections on which those talk who talk
// later. Then multiples of it are offered, a tenth at high priority, six tenths at normal and three
// tenths at low, each from connections of its own. Times count from when a turn was meant to be
// sent: one that found no connection free waited as well, and after a second is given up as unsent.
// That is how held answers slow a client down.
//
// Turns cost more as the store grows, however many are offered, and the machine's speed changes. So
// the capacity is measured again after each step: `of_capacity` compares with the first one,
// `of_beside` with the mean of those right before and right after the step, which shows what
// overload takes and nothing else.
//
// With --new-connections the turns of low priority, of which there are as many more as make up the
// multiple, each come on a connection of its own, which is reset after the answer, or after a tenth
// of a second without one; high and normal together stay at half the capacity on connections that
// are kept. So the table shows what such a flood does to others. Connecting costs time itself,
// therefore the capacity is that of 100 connections of which half are made anew for each turn.
//
// The bench runs on the machine of the node, and a flood takes processor time of its client as
// well: `cores` says who had how much; where `others` had some, the row says little of the node.
// `node_us`: the node's processor time by completed turn, and
// at the capacity beside; what the flood costs the node is how much the former is above the latter.
// `of_node`: the latter by the former, that is what the node would complete of its capacity if the
// flood came from elsewhere and the node had all cores to itself.
#include "test/bench/turn_lane.hpp"

#include <fstream>
#include <iostream>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace sotto::bench;

constexpr std::array<double, 3> level_shares{0.1, 0.6, 0.3};
constexpr std::array<size_t, 3> connections{400, 2000, 1000};
/// Of --new-connections: what others ask for as a share of the capacity, by level.
constexpr std::array<double, 2> others{0.1, 0.4};
constexpr double default_seconds = 30;
constexpr size_t users = 100;
/// Longest measurement of the capacity.
constexpr double capacity_seconds = 10;
/// For the node to come back from overload.
constexpr auto rest = std::chrono::seconds{8};

struct node_capacity {
  double per_second = 0;
  /// Processor time of the node by turn.
  double node_us = 0;
};

node_capacity between(const node_capacity& x, const node_capacity& y) {
  return {(x.per_second + y.per_second) / 2, (x.node_us + y.node_us) / 2};
}

/// Names the users of all levels in turn, by their shares.
std::string anybody(size_t) {
  constexpr std::array<size_t, 10> levels{1, 2, 1, 0, 1, 2, 1, 1, 2, 1};
  static size_t turns = 0;
  static std::array<size_t, level_shares.size()> said{};
  auto level = levels[turns++ % levels.size()];
  return turn_lane::user_of(level, said[level]++);
}

/// One figure of `/metrics`; -1 where it is not found.
double figure(const tcp::endpoint& to, std::string_view name) {
  asio::io_context io;
  auto client = std::make_shared<http_client>(io, to);
  double value = -1;
  client->send("GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n", [&](const http_client::answer& x) {
    auto line = fmt::format("\n{} ", name);
    if (auto at = x.text.find(line); at != std::string_view::npos)
      value = std::strtod(std::string{x.text.substr(at + line.size(), 32)}.c_str(), nullptr);
    client->close();
  });
  io.run_for(std::chrono::seconds{5});
  return value;
}

double node_cpu(const tcp::endpoint& to) {
  return figure(to, "process_cpu_seconds_total");
}

/// Processor time of this process, or of its children that have ended.
double own_cpu(int whose) {
  rusage used{};
  getrusage(whose, &used);
  auto seconds = [](const timeval& x) {
    return static_cast<double>(x.tv_sec) + static_cast<double>(x.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Processor time of all there is on the machine.
double machine_cpu() {
  std::ifstream file{"/proc/stat"};
  std::string name;
  file >> name;
  double sum = 0, x = 0;
  constexpr size_t figures = 8, idle = 3, waits = 4;
  for (size_t i = 0; i < figures && file >> x; ++i)
    sum += i == idle || i == waits ? 0 : x;
  return sum / static_cast<double>(sysconf(_SC_CLK_TCK));
}

node_capacity measure_capacity(const tcp::endpoint& to, double seconds, bool anew) {
  auto before = node_cpu(to);
  auto found = load(to, users, seconds, false, anew ? users / 2 : 0, anybody);
  auto used = node_cpu(to) - before;
  if (auto troubles = found.troubles(); !troubles.empty())
    std::cerr << "overload_bench: while the capacity was measured:\n" << troubles;
  if (found.per_second <= 0)
    std::exit(1);
  return {found.per_second, used * 1e6 / static_cast<double>(found.turns)};
}

/// Processor time, in cores, that each side had during a step.
struct shares_of_time {
  double node = 0, flood = 0, client = 0, others = 0;
};

/// What a step came to, but for what it is compared with.
struct step_result {
  std::vector<level_figures> levels;
  shares_of_time cores;
  double memory = 0, step = 0;
};

void tell(const node_capacity& first, const node_capacity& beside, double times, bool anew,
          const step_result& result) {
  auto& [levels, cores, memory, step] = result;
  level_figures all;
  std::string text;
  for (size_t i = 0; i < levels.size(); ++i) {
    auto& x = levels[i];
    text += fmt::format(
        R"({}"{}":{{"offered":{:.0f},"completed":{:.0f},"refused":{:.0f},"unsent":{:.0f},)"
        R"("p50_ms":{:.1f},"p99_ms":{:.1f}}})",
        i == 0 ? "" : ",", level_names[i], x.offered, x.completed, x.refused, x.unsent, x.p50,
        x.p99);
    all.offered += x.offered;
    all.completed += x.completed;
    all.refused += x.refused;
    all.unsent += x.unsent;
    all.failed += x.failed;
    all.degraded += x.degraded;
  }
  auto node_us = cores.node * 1e6 / std::max(all.completed, 1.0);
  fmt::print(
      R"({{"name":"{}","times":{},"unit":"turns/s","capacity":{:.0f},"capacity_beside":{:.0f},)"
      R"("offered":{:.0f},"value":{:.0f},"of_capacity":{:.2f},"of_beside":{:.2f},)"
      R"("degraded":{:.0f},"refused":{:.0f},)"
      R"("unsent":{:.0f},"failed":{:.0f},"memory_mb":{:.0f},"step":{:.0f},)"
      R"("cores":{{"node":{:.2f},"flood":{:.2f},"client":{:.2f},"others":{:.2f}}},)"
      R"("node_us":{:.0f},"node_us_at_capacity":{:.0f},"of_node":{:.2f},"levels":{{{}}}}})"
      "\n",
      anew ? "overload_new_connections" : "overload", times, first.per_second, beside.per_second,
      all.offered, all.completed, all.completed / first.per_second,
      all.completed / beside.per_second, all.degraded, all.refused, all.unsent, all.failed,
      memory / 1e6, step, cores.node, cores.flood, cores.client, cores.others, node_us,
      beside.node_us, beside.node_us / node_us, text);
  std::fflush(stdout);
}

/// Offers a multiple of the capacity. It is that of the beginning: what a client offers does not
/// shrink with the node.
step_result offer(const tcp::endpoint& to, const node_capacity& capacity, double times,
                  double seconds, bool anew) {
  auto node_before = node_cpu(to), client_before = own_cpu(RUSAGE_SELF);
  auto all_before = machine_cpu();
  auto rate = capacity.per_second * times;
  std::vector<double> shares{level_shares.begin(), level_shares.end()};
  std::optional<flood> flooding;
  auto flood_before = own_cpu(RUSAGE_CHILDREN);
  if (anew) {
    shares.assign(others.begin(), others.end());
    auto more = std::max(times - others[0] - others[1], 0.0);
    if (more > 0)
      flooding.emplace(to, capacity.per_second * more, seconds);
    rate = capacity.per_second * std::min(times, others[0] + others[1]);
  }
  asio::io_context io{1};
  std::vector<std::unique_ptr<turn_lane>> lanes;
  for (size_t i = 0; i < shares.size(); ++i)
    lanes.push_back(std::make_unique<turn_lane>(io, to, i, connections[i]));
  auto spent = drive(io, lanes, shares, rate, seconds);
  step_result result;
  for (auto& x : lanes)
    result.levels.push_back(x->end(spent));
  auto& cores = result.cores;
  cores.client = (own_cpu(RUSAGE_SELF) - client_before) / spent;
  cores.node = (node_cpu(to) - node_before) / spent;
  if (flooding) {
    result.levels.push_back(flooding->end());
    cores.flood = (own_cpu(RUSAGE_CHILDREN) - flood_before) / spent;
  }
  cores.others =
      std::max((machine_cpu() - all_before) / spent - cores.node - cores.client - cores.flood, 0.0);
  result.memory = figure(to, "process_resident_memory_bytes");
  result.step = figure(to, "sotto_overload_step");
  io.run_for(std::chrono::seconds{5}); // what is under way
  return result;
}

} // namespace

int main(int argc, char** argv) {
  std::vector<std::string> given{argv + std::min(argc, 1), argv + argc};
  auto anew = std::erase(given, "--new-connections") > 0;
  auto node = given.empty() ? std::nullopt : read_endpoint(given[0]);
  auto seconds = given.size() > 1 ? std::strtod(given[1].c_str(), nullptr) : default_seconds;
  if (!node || seconds <= 0) {
    std::cerr << "overload_bench: give HOST:PORT of a node, and the seconds of each step\n";
    return 1;
  }
  std::vector<double> times;
  for (size_t i = 2; i < given.size(); ++i)
    times.push_back(std::strtod(given[i].c_str(), nullptr));
  if (times.empty())
    times = {0.5, 1, 2, 5, 10};
  auto how_long = std::min(seconds, capacity_seconds);
  measure_capacity(*node, 4, anew); // all conversations begin
  auto first = measure_capacity(*node, how_long, anew);
  auto before = first;
  for (auto x : times) {
    auto result = offer(*node, first, x, seconds, anew);
    std::this_thread::sleep_for(rest);
    auto after = measure_capacity(*node, how_long, anew);
    tell(first, between(before, after), x, anew, result);
    before = after;
  }
  return 0;
}
