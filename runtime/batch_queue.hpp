#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "messages/error.hpp"
#include "runtime/priority_queue.hpp"

namespace sotto {

/// How the items of an operation relate.
template <class In>
struct batch_keys {
  /// Items of one tenant with the same text are computed once, for all who wait; empty: equal to
  /// nothing. What two tenants ask is never one: neither can time what the other asks.
  std::function<std::string(const In&)> equality = [](const In&) { return std::string{}; };
  /// Items with the same figure lie side by side in a batch.
  std::function<uint64_t(const In&)> similarity = [](const In&) { return uint64_t{0}; };
  /// In a unit of the operation's own.
  std::function<double(const In&)> cost = [](const In&) { return 1.0; };
};

/// Analytics by level of whoever asked.
struct batch_counts {
  using by_level = std::array<uint64_t, priority_levels>;
  by_level submitted{}, coalesced{}, refused{}, late{}, cancelled{};
  /// Nanoseconds from submission to the batch.
  by_level waited{};
  uint64_t batches = 0, items = 0, splits = 0;
};

/// What waits for a batch, and the batches under way. Knows no actor, thread or clock; `now` is
/// nanoseconds. Who asks gets a ticket, and later one answer under it.
///
/// Waiting is a `priority_queue`: weighted between levels, fair between tenants, bounded. An item
/// that somebody of a higher level asks for too moves up. A failed batch of several is run again in
/// halves, so that after log2(n) rounds a bad item fails alone. Not thread-safe.
template <class In, class Out>
class batch_queue {
public:
  using result = std::variant<Out, failure>;

  struct answer {
    uint64_t ticket = 0;
    result what{};
  };
  using answers = std::vector<answer>;

  struct request {
    In input;
    queue_class what{};
    /// 0: none. An item whose last asker's deadline has passed is not run.
    int64_t deadline = 0;
  };

  struct batch {
    uint64_t number = 0;
    /// Valid until the batch is finished or has failed; empty: nothing waits.
    std::vector<const In*> items;
    /// Whose each is.
    std::vector<uint64_t> tenants{};
  };

  explicit batch_queue(batch_keys<In> keys = {}, queue_limits limits = {})
      : keys_(std::move(keys)), waiting_(limits) {}

  /// Items that wait, those of halves to be run again included.
  size_t waiting() const { return waiting_jobs_; }
  /// Batches under way.
  size_t running() const { return running_.size(); }
  const batch_counts& counts() const { return counts_; }

  /// Counts a request that needs no queue; returns how many of its level there were.
  uint64_t pass(priority level) { return ++counts_.submitted[index(level)]; }

  /// Takes a request; whoever has to give way for it, perhaps itself, is answered in `out`.
  uint64_t submit(request x, int64_t now, answers& out) {
    auto level = index(x.what.level);
    ++counts_.submitted[level];
    auto number = next_job_;
    const std::string* key = nullptr;
    if (auto text = keys_.equality(x.input); !text.empty()) {
      text.append(reinterpret_cast<const char*>(&x.what.tenant), sizeof x.what.tenant);
      auto [at, isnew] = by_key_.try_emplace(std::move(text), number);
      key = &at->first;
      number = at->second;
    }
    auto& job = jobs_[number];
    if (number == next_job_) {
      ++next_job_;
      ++waiting_jobs_;
      job.tenant = x.what.tenant;
      job.group = keys_.similarity(x.input);
      job.cost = keys_.cost(x.input);
      job.input = std::move(x.input);
      job.key = key;
    } else {
      ++counts_.coalesced[level];
    }
    auto ticket = ticket_of(number, job);
    add_asker(number, job, {ticket, x.deadline, now, x.what}, now, out);
    return ticket;
  }

  /// The batch under way that a ticket's item is in; 0: it waits.
  uint64_t batch_of(uint64_t ticket) const {
    auto at = jobs_.find(ticket >> asker_bits);
    return at == jobs_.end() || at->second.state != stage::running ? 0 : at->second.batch;
  }

  /// Calls `f` with the ticket and the deadline of all who wait for a batch under way.
  template <class F>
  void each_asker(uint64_t batch, F f) const {
    auto of = running_.find(batch);
    if (of == running_.end())
      return;
    for (auto number : of->second)
      for (auto& x : jobs_.at(number).askers)
        f(x.ticket, x.deadline);
  }

  /// Whether whoever holds a ticket is no more: as if they had cancelled. Asked before an item is
  /// run; may be empty.
  std::function<bool(uint64_t ticket)> gone{};

  /// The next batch: at most `most` items, cut after the one that reaches `most_cost`.
  batch cut(size_t most, double most_cost, int64_t now, answers& out) {
    std::vector<uint64_t> chosen;
    while (chosen.empty() && !halves_.empty()) {
      chosen = std::move(halves_.front());
      halves_.pop_front();
      std::erase_if(chosen, [&](auto x) { return !ready(x, now, out); });
    }
    auto cost = 0.0;
    auto again = !chosen.empty();
    while (!again && chosen.size() < most && cost < most_cost) {
      auto next = waiting_.pop(now);
      if (!next)
        break;
      if (!ready(next->job, now, out))
        continue;
      auto& job = jobs_.at(next->job);
      job.state = stage::running; // its other places in the queue mean nothing any more
      cost += job.cost;
      chosen.push_back(next->job);
    }
    return start(std::move(chosen), now);
  }

  /// The operation's answer: one result an item, in order. Any other count is a failure of the
  /// whole.
  void finish(uint64_t number, std::vector<result> results, answers& out) {
    auto of = running_.find(number);
    if (of == running_.end())
      return;
    if (results.size() != of->second.size())
      return fail(number,
                  {ec::internal,
                   "the operation answered " + std::to_string(results.size()) + " of "
                       + std::to_string(of->second.size()) + " items",
                   {}},
                  out);
    auto jobs = std::move(of->second);
    running_.erase(of);
    for (size_t i = 0; i < jobs.size(); ++i)
      settle(jobs[i], std::move(results[i]), out);
  }

  /// The batch as a whole failed: its halves are run again, a single item is answered.
  void fail(uint64_t number, failure why, answers& out) {
    auto of = running_.find(number);
    if (of == running_.end())
      return;
    auto jobs = std::move(of->second);
    running_.erase(of);
    if (jobs.size() == 1)
      return settle(jobs.front(), std::move(why), out);
    ++counts_.splits;
    auto middle = jobs.begin() + static_cast<std::ptrdiff_t>(jobs.size() / 2);
    take_back({jobs.begin(), middle});
    take_back({middle, jobs.end()});
  }

  /// The batch was not run, as nobody waited for it. Who came since is served by the next `cut`.
  void not_run(uint64_t number) {
    auto of = running_.find(number);
    if (of == running_.end())
      return;
    take_back(std::move(of->second));
    running_.erase(of);
  }

  /// No answer follows. An item that nobody else asked for is not run, or its result is dropped.
  bool cancel(uint64_t ticket) {
    auto number = ticket >> asker_bits;
    auto at = jobs_.find(number);
    if (at == jobs_.end())
      return false;
    auto& job = at->second;
    auto who = std::find_if(job.askers.begin(), job.askers.end(),
                            [&](auto& x) { return x.ticket == ticket; });
    if (who == job.askers.end())
      return false;
    ++counts_.cancelled[index(who->what.level)];
    job.askers.erase(who);
    if (job.askers.empty() && job.state == stage::waiting)
      drop(number);
    return true;
  }

private:
  enum class stage : uint8_t { waiting, running, half };

  /// One of an item's places in the queue: a new one for each level it moves up to.
  struct place {
    uint64_t job = 0;
    size_t level = 0;
  };

  struct asker {
    uint64_t ticket;
    int64_t deadline;
    int64_t since;
    queue_class what;
  };

  struct entry {
    In input{};
    /// In `by_key_`; nothing where it is equal to nothing.
    const std::string* key = nullptr;
    uint64_t tenant = 0;
    /// The batch it runs in.
    uint64_t batch = 0;
    uint64_t group = 0;
    double cost = 1;
    stage state = stage::waiting;
    /// The best level it has a place in the queue with.
    size_t level = priority_levels;
    std::vector<asker> askers;
    uint64_t asked = 0;
  };

  // In place: a temporary variant that is moved in makes GCC 12 warn of what it never reads.
  static void tell(answers& out, uint64_t ticket, failure why) {
    auto& to = out.emplace_back();
    to.ticket = ticket;
    to.what.template emplace<failure>(std::move(why));
  }

  /// A ticket is its item's number and a count of who asked for it: no table of tickets to keep.
  static constexpr int asker_bits = 24;

  static uint64_t ticket_of(uint64_t number, entry& job) {
    return number << asker_bits | (job.asked++ & ((uint64_t{1} << asker_bits) - 1));
  }

  static size_t index(priority x) { return static_cast<size_t>(x); }

  void add_asker(uint64_t number, entry& job, asker who, int64_t now, answers& out) {
    job.askers.push_back(who);
    auto level = index(who.what.level);
    if (job.state != stage::waiting || level >= job.level)
      return;
    job.level = level;
    if (auto refused = waiting_.push({number, level}, who.what, now))
      refuse(*refused, out);
  }

  void refuse(place lost, answers& out) {
    auto at = jobs_.find(lost.job);
    // An item that moved up has a better place than the one that was lost.
    if (at == jobs_.end() || at->second.state != stage::waiting || at->second.level != lost.level)
      return;
    for (auto& x : at->second.askers) {
      ++counts_.refused[index(x.what.level)];
      tell(out, x.ticket, {ec::overloaded, "too much of this waits already", {}});
    }
    drop(lost.job);
  }

  /// Whether an item is still to be run; who waited too long for it is told.
  bool ready(uint64_t number, int64_t now, answers& out) {
    auto at = jobs_.find(number);
    if (at == jobs_.end() || at->second.state == stage::running)
      return false;
    auto& askers = at->second.askers;
    std::erase_if(askers, [&](auto& x) {
      if (gone && gone(x.ticket)) {
        ++counts_.cancelled[index(x.what.level)];
        return true;
      }
      if (x.deadline == 0 || now <= x.deadline)
        return false;
      ++counts_.late[index(x.what.level)];
      tell(out, x.ticket, {ec::timeout, "the deadline passed while it waited", {}});
      return true;
    });
    if (!askers.empty())
      return true;
    drop(number);
    return false;
  }

  batch start(std::vector<uint64_t> chosen, int64_t now) {
    batch result;
    if (chosen.empty())
      return result;
    std::vector<std::pair<uint64_t, entry*>> sorted;
    sorted.reserve(chosen.size());
    for (auto x : chosen)
      sorted.emplace_back(x, &jobs_.at(x));
    auto by_group = [](auto& a, auto& b) { return a.second->group < b.second->group; };
    if (!std::is_sorted(sorted.begin(), sorted.end(), by_group)) // as most are: it allocates
      std::stable_sort(sorted.begin(), sorted.end(), by_group);
    result.number = next_batch_++;
    result.items.reserve(sorted.size());
    result.tenants.reserve(sorted.size());
    for (size_t i = 0; i < sorted.size(); ++i) {
      chosen[i] = sorted[i].first;
      auto& job = *sorted[i].second;
      if (job.state != stage::half)
        for (auto& y : job.askers)
          counts_.waited[index(y.what.level)] += static_cast<uint64_t>(now - y.since);
      job.state = stage::running;
      job.batch = result.number;
      result.items.push_back(&job.input);
      result.tenants.push_back(job.tenant);
    }
    waiting_jobs_ -= chosen.size();
    ++counts_.batches;
    counts_.items += chosen.size();
    running_.emplace(result.number, std::move(chosen));
    return result;
  }

  void take_back(std::vector<uint64_t> jobs) {
    waiting_jobs_ += jobs.size();
    for (auto x : jobs)
      jobs_.at(x).state = stage::half;
    halves_.push_back(std::move(jobs));
  }

  void settle(uint64_t number, result what, answers& out) {
    auto at = jobs_.find(number);
    auto& askers = at->second.askers;
    for (size_t i = 0; i + 1 < askers.size(); ++i) {
      auto& to = out.emplace_back();
      to.ticket = askers[i].ticket;
      to.what = what;
    }
    if (!askers.empty()) {
      auto& to = out.emplace_back();
      to.ticket = askers.back().ticket;
      to.what = std::move(what);
    }
    forget(at);
  }

  /// Forgets an item that waits; its places in the queue are passed over later.
  void drop(uint64_t number) {
    forget(jobs_.find(number));
    --waiting_jobs_;
  }

  void forget(typename std::unordered_map<uint64_t, entry>::iterator at) {
    if (auto* key = at->second.key)
      by_key_.erase(by_key_.find(*key));
    jobs_.erase(at);
  }

  batch_keys<In> keys_;
  priority_queue<place> waiting_;
  std::unordered_map<uint64_t, entry> jobs_;
  std::unordered_map<std::string, uint64_t> by_key_;
  std::unordered_map<uint64_t, std::vector<uint64_t>> running_;
  std::deque<std::vector<uint64_t>> halves_;
  batch_counts counts_;
  size_t waiting_jobs_ = 0;
  uint64_t next_job_ = 1, next_batch_ = 1;
};

} // namespace sotto
