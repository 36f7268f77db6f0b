// More turns than a node can serve, offered at a fixed rate whatever it answers (an open loop):
//   overload_bench HOST:PORT [SECONDS [TIMES...]] [--new-connections]
// First the capacity is measured by a closed loop of 100 users. Then multiples of it are offered, a
// tenth at high priority, six tenths at normal and three tenths at low, each from connections of
// its own. Times count from when a turn was meant to be sent: one that found no connection free
// waited as well, and after a second is given up as unsent. That is how held answers slow a client
// down.
// With --new-connections the turns of low priority, of which there are as many more as make up the
// multiple, each come on a connection of its own, which is reset after the answer, or after a tenth
// of a second without one; high and normal together stay at half the capacity on connections that
// are kept. So the table shows what such a flood does to others.
#include "test/bench/load_users.hpp"

#include <array>
#include <deque>
#include <iostream>
#include <random>

#include <boost/asio/steady_timer.hpp>

namespace {

using namespace sotto::bench;

constexpr std::array<const char*, 3> level_names{"high", "normal", "low"};
constexpr std::array<double, 3> level_shares{0.1, 0.6, 0.3};
constexpr std::array<size_t, 3> connections{400, 2000, 1000};
constexpr double longest_unsent = 1;
/// Of --new-connections: most at the same time, how long an answer is waited for, and what others
/// ask for as a share of the capacity, by level.
constexpr size_t flooding = 8000;
constexpr auto flood_patience = std::chrono::milliseconds{100};
constexpr std::array<double, 2> others{0.1, 0.4};
constexpr double default_seconds = 30;

struct level_counts {
  size_t offered = 0, refused = 0, unsent = 0, failed = 0, degraded = 0;
  std::vector<double> took;

  double percentile(double p) {
    if (took.empty())
      return 0;
    auto i = static_cast<size_t>(p * static_cast<double>(took.size() - 1));
    std::nth_element(took.begin(), took.begin() + static_cast<std::ptrdiff_t>(i), took.end());
    return took[i] * 1e3;
  }
};

/// The connections of one level, and the turns that wait for one.
class lane {
public:
  lane(asio::io_context& io, const tcp::endpoint& to, size_t level, bool fresh)
      : io_(io), to_(to), fresh_(fresh && level + 1 == level_names.size()), level_(level),
        headers_(fmt::format("Sotto-Priority: {}\r\n", level_names[level])), talk_(level) {
    for (size_t i = 0; i < (fresh_ ? flooding : connections[level]); ++i)
      idle_.push_back(std::make_shared<http_client>(io, to));
  }

  void offer(steady::time_point meant) {
    ++counts.offered;
    waiting_.push_back(meant);
    send();
  }

  void send() {
    while (!waiting_.empty() && seconds_since(waiting_.front()) > longest_unsent) {
      waiting_.pop_front();
      ++counts.unsent;
    }
    while (!waiting_.empty() && !idle_.empty()) {
      auto meant = waiting_.front();
      waiting_.pop_front();
      auto at = std::move(idle_.back());
      idle_.pop_back();
      auto user = fmt::format("{}-{}", level_names[level_], number_++ % users);
      at->send(turn_request_text(user, talk_.next(), headers_),
               [this, at, meant](const http_client::answer& x) { replied(at, meant, x); });
      if (fresh_)
        give_up(at);
    }
  }

  /// What is under way is no longer counted.
  void end() {
    over_ = true;
    counts.unsent += waiting_.size();
    waiting_.clear();
  }

  level_counts counts;

private:
  static constexpr size_t users = 2000;

  void give_up(const std::shared_ptr<http_client>& at) {
    auto timer = std::make_shared<asio::steady_timer>(io_, flood_patience);
    timer->async_wait([timer, weak = std::weak_ptr{at}](error_code) {
      if (auto x = weak.lock())
        x->reset();
    });
  }

  void replied(const std::shared_ptr<http_client>& at, steady::time_point meant,
               const http_client::answer& x) {
    constexpr unsigned ok = 200, overloaded = 429;
    if (fresh_) {
      at->reset();
      idle_.push_back(std::make_shared<http_client>(io_, to_));
    } else {
      idle_.push_back(at);
    }
    if (over_)
      return;
    if (x.status == ok) {
      counts.took.push_back(seconds_since(meant));
      counts.degraded += x.text.find("overload:") != std::string_view::npos ? 1 : 0;
    } else if (x.status == overloaded) {
      ++counts.refused;
    } else if (fresh_) {
      ++counts.unsent; // given up
    } else {
      ++counts.failed;
    }
    send();
  }

  asio::io_context& io_;
  tcp::endpoint to_;
  bool fresh_;
  size_t level_;
  std::string headers_;
  talk talk_;
  std::deque<steady::time_point> waiting_;
  std::vector<std::shared_ptr<http_client>> idle_;
  size_t number_ = 0;
  bool over_ = false;
};

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

void offer(const tcp::endpoint& to, double capacity, double times, double seconds, bool fresh) {
  asio::io_context io{1};
  std::vector<std::unique_ptr<lane>> lanes;
  for (size_t i = 0; i < level_names.size(); ++i)
    lanes.push_back(std::make_unique<lane>(io, to, i, fresh));
  std::mt19937_64 random{7};
  auto rate = capacity * times;
  std::exponential_distribution<double> pause{rate};
  auto shares = level_shares;
  if (fresh)
    shares = {others[0], others[1], std::max(times - others[0] - others[1], 0.0)};
  std::discrete_distribution<size_t> which{shares.begin(), shares.end()};
  auto start = steady::now();
  auto next = 0.0;
  while (seconds_since(start) < seconds) {
    for (auto spent = seconds_since(start); next <= spent && next < seconds; next += pause(random))
      lanes[which(random)]->offer(
          start
          + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(next)));
    for (auto& x : lanes)
      x->send();
    io.run_for(std::chrono::milliseconds{1});
    io.restart();
  }
  auto spent = seconds_since(start);
  for (auto& x : lanes)
    x->end();
  auto step = figure(to, "sotto_overload_step");
  auto memory = figure(to, "process_resident_memory_bytes");
  level_counts all;
  std::string levels;
  for (size_t i = 0; i < lanes.size(); ++i) {
    auto& x = lanes[i]->counts;
    levels += fmt::format(
        R"({}"{}":{{"offered":{:.0f},"completed":{:.0f},"refused":{:.0f},"unsent":{:.0f},)"
        R"("p50_ms":{:.1f},"p99_ms":{:.1f}}})",
        i == 0 ? "" : ",", level_names[i], static_cast<double>(x.offered) / spent,
        static_cast<double>(x.took.size()) / spent, static_cast<double>(x.refused) / spent,
        static_cast<double>(x.unsent) / spent, x.percentile(0.5), x.percentile(0.99));
    all.offered += x.offered;
    all.refused += x.refused;
    all.unsent += x.unsent;
    all.failed += x.failed;
    all.degraded += x.degraded;
    all.took.insert(all.took.end(), x.took.begin(), x.took.end());
  }
  fmt::print(R"({{"name":"{}","times":{},"unit":"turns/s","capacity":{:.0f},"offered":{:.0f},)"
             R"("value":{:.0f},"of_capacity":{:.2f},"degraded":{:.0f},"refused":{:.0f},)"
             R"("unsent":{:.0f},"failed":{},"memory_mb":{:.0f},"step":{:.0f},"levels":{{{}}}}})"
             "\n",
             fresh ? "overload_new_connections" : "overload", times, capacity,
             static_cast<double>(all.offered) / spent, static_cast<double>(all.took.size()) / spent,
             static_cast<double>(all.took.size()) / spent / capacity,
             static_cast<double>(all.degraded) / spent, static_cast<double>(all.refused) / spent,
             static_cast<double>(all.unsent) / spent, all.failed, memory / 1e6, step, levels);
  std::fflush(stdout);
  io.run_for(std::chrono::seconds{5}); // what is under way, and the node's way back
}

} // namespace

int main(int argc, char** argv) {
  std::vector<std::string> given{argv + std::min(argc, 1), argv + argc};
  auto fresh = std::erase(given, "--new-connections") > 0;
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
  constexpr size_t users = 100;
  auto capacity = load(*node, users, std::min(seconds, 10.0), false);
  if (capacity.per_second <= 0) {
    std::cerr << "overload_bench: no turn was answered: " << capacity.last_error << '\n';
    return 1;
  }
  for (auto x : times)
    offer(*node, capacity.per_second, x, seconds, fresh);
  return 0;
}
