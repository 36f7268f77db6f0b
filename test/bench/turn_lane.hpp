#pragma once

#include <array>
#include <cmath>
#include <deque>
#include <random>

#include "test/bench/load_users.hpp"

namespace sotto::bench {

inline constexpr std::array<const char*, 3> level_names{"high", "normal", "low"};

/// What became of the turns of one level, a second. Plain bytes: it crosses a pipe.
struct level_figures {
  double offered = 0, completed = 0, refused = 0, unsent = 0, failed = 0, degraded = 0;
  double p50 = 0, p99 = 0; // ms
};

/// The connections of one level, and the turns that wait for one.
class turn_lane {
public:
  /// `patience`: with it each turn comes on a connection of its own, which is reset after the
  /// answer, or after so long without one.
  turn_lane(asio::io_context& io, const tcp::endpoint& to, size_t level, size_t connections,
            std::optional<steady::duration> patience = std::nullopt)
      : io_(io), to_(to), patience_(patience), level_(level),
        headers_(fmt::format("Sotto-Priority: {}\r\n", level_names[level])), talk_(level) {
    for (size_t i = 0; i < connections; ++i)
      idle_.push_back(std::make_shared<http_client>(io, to));
  }

  /// Who says the turn of this number.
  static std::string user_of(size_t level, size_t number) {
    return fmt::format("{}-{}", level_names[level], number % users);
  }

  void offer(steady::time_point meant) {
    ++offered_;
    waiting_.push_back(meant);
    send();
  }

  void send() {
    auto now = steady::now();
    for (; !given_up_.empty() && given_up_.front().first <= now; given_up_.pop_front())
      if (auto at = given_up_.front().second.lock())
        at->reset();
    for (; !waiting_.empty() && now - waiting_.front() > longest_unsent; waiting_.pop_front())
      ++unsent_;
    while (!waiting_.empty() && !idle_.empty()) {
      auto meant = waiting_.front();
      waiting_.pop_front();
      auto at = std::move(idle_.back());
      idle_.pop_back();
      at->send(turn_request_text(user_of(level_, number_++), talk_.next(), headers_),
               [this, at, meant](const http_client::answer& x) { replied(at, meant, x); });
      if (patience_)
        given_up_.emplace_back(now + *patience_, at);
    }
  }

  /// What is under way is no longer counted.
  level_figures end(double seconds) {
    over_ = true;
    unsent_ += waiting_.size();
    waiting_.clear();
    auto rate = [&](size_t x) { return static_cast<double>(x) / seconds; };
    return {rate(offered_), rate(took_.size()), rate(refused_),   rate(unsent_),
            rate(failed_),  rate(degraded_),    percentile(0.50), percentile(0.99)};
  }

private:
  static constexpr size_t users = 2000;
  static constexpr auto longest_unsent = std::chrono::seconds{1};

  void replied(const std::shared_ptr<http_client>& at, steady::time_point meant,
               const http_client::answer& x) {
    constexpr unsigned ok = 200, overloaded = 429;
    if (patience_) {
      at->reset();
      idle_.push_back(std::make_shared<http_client>(io_, to_));
    } else {
      idle_.push_back(at);
    }
    if (over_)
      return;
    if (x.status == ok) {
      took_.push_back(seconds_since(meant));
      degraded_ += x.text.find("overload:") != std::string_view::npos ? 1 : 0;
    } else if (x.status == overloaded) {
      ++refused_;
    } else if (patience_) {
      ++unsent_; // given up
    } else {
      ++failed_;
    }
    send();
  }

  double percentile(double p) {
    if (took_.empty())
      return 0;
    auto i = static_cast<size_t>(p * static_cast<double>(took_.size() - 1));
    std::nth_element(took_.begin(), took_.begin() + static_cast<std::ptrdiff_t>(i), took_.end());
    return took_[i] * 1e3;
  }

  asio::io_context& io_;
  tcp::endpoint to_;
  std::optional<steady::duration> patience_;
  size_t level_;
  std::string headers_;
  talk talk_;
  std::deque<steady::time_point> waiting_;
  std::deque<std::pair<steady::time_point, std::weak_ptr<http_client>>> given_up_;
  std::vector<std::shared_ptr<http_client>> idle_;
  size_t number_ = 0;
  size_t offered_ = 0, refused_ = 0, unsent_ = 0, failed_ = 0, degraded_ = 0;
  std::vector<double> took_;
  bool over_ = false;
};

/// Offers `rate` turns a second to lanes, by their shares, whatever becomes of them (an open loop).
/// Returns the seconds that it took.
inline double drive(asio::io_context& io, const std::vector<std::unique_ptr<turn_lane>>& lanes,
                    const std::vector<double>& shares, double rate, double seconds) {
  std::mt19937_64 random{7};
  std::exponential_distribution<double> pause{rate};
  std::discrete_distribution<size_t> which{shares.begin(), shares.end()};
  auto start = steady::now();
  auto next = pause(random);
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
  return seconds_since(start);
}

/// A flood of turns of low priority, each on a connection of its own, from a process of its own: it
/// must not slow down who measures the others.
class flood {
public:
  flood(const tcp::endpoint& to, double rate, double seconds) {
    if (pipe(ends_.data()) != 0)
      return;
    child_ = fork();
    if (child_ == 0)
      run(to, rate, seconds);
    ::close(ends_[1]);
  }
  flood(const flood&) = delete;
  flood& operator=(const flood&) = delete;
  ~flood() {
    if (child_ > 0)
      end();
  }

  /// Waits for its end. All zero where it failed.
  level_figures end() {
    level_figures x;
    if (child_ <= 0 || ::read(ends_[0], &x, sizeof(x)) != sizeof(x))
      x = {};
    ::close(ends_[0]);
    waitpid(std::exchange(child_, -1), nullptr, 0);
    return x;
  }

private:
  static constexpr size_t most = 8000;
  /// Longer than turns wait under overload: of those who give up sooner no turn is completed, and
  /// what is done for them is lost.
  static constexpr auto patience = std::chrono::seconds{2};

  [[noreturn]] void run(const tcp::endpoint& to, double rate, double seconds) const {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    asio::io_context io{1};
    std::vector<std::unique_ptr<turn_lane>> lanes;
    lanes.push_back(std::make_unique<turn_lane>(io, to, level_names.size() - 1, most, patience));
    auto spent = drive(io, lanes, {1}, rate, seconds);
    auto x = lanes[0]->end(spent);
    auto told = ::write(ends_[1], &x, sizeof(x)) == sizeof(x);
    std::_Exit(told ? 0 : 1);
  }

  std::array<int, 2> ends_{-1, -1};
  pid_t child_ = -1;
};

} // namespace sotto::bench
