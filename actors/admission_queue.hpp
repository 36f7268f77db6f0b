#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/turn_class.hpp"
#include "runtime/level_queue.hpp"
#include "runtime/priority_queue.hpp"
#include "runtime/tenant_load.hpp"

namespace sotto {

/// Which turn runs next. Of a conversation one turn at a time, in order of arrival; between
/// conversations by `priority_queue`. The first turn of a conversation waits at the level of the
/// most important one behind it, so that what is urgent is not held up by what is not and came
/// before.
///
///   add ─► queue of first turns ─► next (one of `running` slots) ─► yield (gives the slot back)
///      └─► followers of their conversation ◄───────────────────────── ended (lets the next one in)
///
/// A turn with the key of the one that runs in its conversation is a retry: it goes on at once,
/// without a slot, to be attached there. Knows no actor and no clock; `T` is what is kept of a
/// turn.
template <class T>
class admission_queue {
public:
  struct started {
    /// 0: a retry, which takes no slot and has no end.
    uint64_t number = 0;
    T what;
    priority level = priority::normal;
    uint64_t tenant = 0;
    int64_t waited = 0;
  };

  /// What waits in the queue is counted by tenant in `load`, where there is one.
  explicit admission_queue(admission_limits limits, tenant_load* load = nullptr)
      : limits_(limits), load_(load), queue_(limits.queue) {}

  /// Adds a turn. Where there is no room, it or another is among the `refused`.
  void add(T what, const turn_class& of, int64_t now) {
    auto& line = lines_[name_of(of)];
    auto number = next_number_++;
    auto same = of.key != 0 && line.key == of.key;
    if (same && line.runs) {
      retries_.push_back({0, std::move(what), of.level, of.tenant, 0});
      return;
    }
    auto follows = line.first != 0;
    if (follows && !may_follow(line, of.tenant))
      return refused_.push_back(std::move(what));
    remember(number, std::move(what), of, now);
    line_up(number, of, now);
  }

  /// Makes all anew of what waits and what runs: for after an exception, which may have left
  /// something half done. What waits keeps its order of arrival. Linear.
  void rebuild(int64_t now) {
    auto waiting = std::exchange(waiting_, {});
    names_.clear();
    deadlines_.clear();
    lines_.clear();
    queue_ = priority_queue<uint64_t>{limits_.queue};
    holding_ = following_ = 0;
    following_of_.clear();
    if (load_)
      load_->clear();
    for (auto& [number, x] : running_) {
      holding_ += x.holds ? 1 : 0;
      auto& line = lines_[x.conversation];
      line.first = number;
      line.runs = true;
      line.key = x.key;
    }
    std::map<uint64_t, entry> in_order;
    for (auto& [number, x] : waiting)
      in_order.emplace(number, std::move(x));
    for (auto& [number, x] : in_order) {
      remember(number, std::move(x.what), x.of, x.arrived);
      line_up(number, x.of, now);
    }
  }

  /// Starts the next turn for which there is a slot; nothing where there is none. To be asked again
  /// until it says so.
  std::optional<started> next(int64_t now) {
    if (!retries_.empty()) {
      auto x = std::move(retries_.back());
      retries_.pop_back();
      return x;
    }
    if (holding_ >= limits_.running)
      return std::nullopt;
    auto number = queue_.pop(now);
    if (!number)
      return std::nullopt;
    auto x = forget(*number);
    counted(x, false);
    auto& line = lines_[name_of(x.of)];
    line.runs = true;
    line.key = x.of.key;
    ++holding_;
    running_.emplace(*number, place{name_of(x.of), x.of.key, now, true});
    if (x.of.key != 0)
      take_retries(line, now);
    return started{*number, std::move(x.what), x.of.level, x.of.tenant, now - x.arrived};
  }

  /// The turn waits for somebody else: its slot is free.
  void yield(uint64_t number) {
    auto at = running_.find(number);
    if (at != running_.end() && std::exchange(at->second.holds, false))
      --holding_;
  }

  /// The turn is over. May be told twice.
  void ended(uint64_t number, int64_t now) {
    auto node = running_.extract(number);
    if (node.empty())
      return;
    holding_ -= node.mapped().holds ? 1 : 0;
    advance(node.mapped().conversation, now);
  }

  /// Whether a turn waits, and has a key.
  bool waits_by_key(const turn_name& name) const {
    auto at = names_.find(name);
    return at != names_.end() && waiting_.at(at->second).of.key != 0;
  }

  /// Takes out a turn that waits; nothing where it does not.
  std::optional<T> remove(const turn_name& name, int64_t now) {
    auto at = names_.find(name);
    if (at == names_.end())
      return std::nullopt;
    return withdraw(at->second, now);
  }

  /// Takes out all turns whose deadline is over.
  std::vector<T> late(int64_t now) {
    std::vector<T> result;
    while (!deadlines_.empty() && deadlines_.begin()->first < now)
      result.push_back(withdraw(deadlines_.begin()->second, now));
    return result;
  }

  /// Takes out all turns that wait and that `matches` holds for, in order of arrival. Linear.
  template <class F>
  std::vector<T> take_if(F matches, int64_t now) {
    std::vector<uint64_t> found;
    for (auto& [number, x] : waiting_)
      if (matches(x.what))
        found.push_back(number);
    std::sort(found.begin(), found.end());
    std::vector<T> result;
    for (auto number : found)
      result.push_back(withdraw(number, now));
    return result;
  }

  /// Takes out all turns that wait.
  std::vector<T> clear() {
    std::vector<T> result;
    while (!waiting_.empty()) {
      auto number = waiting_.begin()->first;
      result.push_back(withdraw(number, 0));
    }
    return result;
  }

  /// Takes the turns that had to give way since it was asked last.
  std::vector<T> refused() { return std::exchange(refused_, {}); }

  /// When the next deadline is over; 0: there is none.
  int64_t next_deadline() const { return deadlines_.empty() ? 0 : deadlines_.begin()->first; }

  /// Turns that have run for too long, to be given up by `ended`. Linear.
  std::vector<uint64_t> lost(int64_t now) const {
    std::vector<uint64_t> result;
    for (auto& [number, x] : running_)
      if (now - x.since > limits_.longest)
        result.push_back(number);
    return result;
  }

  bool idle() const { return waiting_.empty() && running_.empty() && retries_.empty(); }
  /// Turns that hold a slot; that were started and are not over; that wait.
  size_t holding() const { return holding_; }
  size_t running() const { return running_.size(); }
  size_t waiting() const { return waiting_.size(); }
  /// Conversations of which a turn waits for a slot.
  size_t queued() const { return queue_.size(); }
  size_t queued(priority level) const { return queue_.size(level); }

private:
  /// A tenant's conversation.
  using line_name = std::pair<uint64_t, uint64_t>;

  struct line_hash {
    size_t operator()(const line_name& x) const {
      return x.first * 0x9e3779b97f4a7c15ULL ^ x.second;
    }
  };

  static line_name name_of(const turn_class& x) { return {x.tenant, x.conversation}; }

  struct entry {
    T what;
    turn_class of;
    int64_t arrived = 0;
    typename priority_queue<uint64_t>::place at = 0;
    /// The level it stands at in the queue.
    priority at_level = priority::normal;
    bool queued = false;
  };

  struct conversation_line {
    /// The turn that runs or waits in the queue.
    uint64_t first = 0;
    bool runs = false;
    /// Of the turn that runs.
    uint64_t key = 0;
    ring<uint64_t> followers;
  };

  struct place {
    line_name conversation{};
    uint64_t key = 0;
    int64_t since = 0;
    bool holds = false;
  };

  void remember(uint64_t number, T what, const turn_class& of, int64_t now) {
    waiting_.emplace(number, entry{std::move(what), of, now, 0, of.level, false});
    names_[of.name] = number;
    if (of.deadline != 0)
      deadlines_.emplace(of.deadline, number);
  }

  entry forget(uint64_t number) {
    auto x = std::move(waiting_.extract(number).mapped());
    names_.erase(x.of.name);
    if (x.of.deadline != 0)
      deadlines_.erase({x.of.deadline, number});
    return x;
  }

  /// Gives a turn its place in its conversation.
  void line_up(uint64_t number, const turn_class& of, int64_t now) {
    auto& line = lines_[name_of(of)];
    if (line.first == 0) {
      line.first = number;
      return enter(number, of.level, now);
    }
    line.followers.push_back(number);
    follow(of.tenant);
    if (!line.runs)
      raise(line.first, of.level, now);
  }

  /// Puts a conversation's first turn into the queue. One that has to give way for it makes room
  /// for the one behind it, which may have to give way in turn.
  void enter(uint64_t number, priority level, int64_t now) {
    while (number != 0) {
      auto& x = waiting_.at(number);
      x.queued = true;
      x.at_level = level;
      counted(x, true);
      auto loser = queue_.push(number, {level, x.of.tenant}, now, &x.at);
      if (!loser)
        return;
      auto lost = forget(*loser);
      counted(lost, false);
      refused_.push_back(std::move(lost.what));
      std::tie(number, level) = next_of(name_of(lost.of));
    }
  }

  void raise(uint64_t number, priority level, int64_t now) {
    auto& x = waiting_.at(number);
    if (x.at_level <= level)
      return;
    queue_.take(x.at);
    counted(x, false);
    x.at_level = level;
    counted(x, true);
    queue_.push(number, {level, x.of.tenant}, now, &x.at);
  }

  /// A conversation's first turn is gone: the next one takes its place.
  void advance(const line_name& conversation, int64_t now) {
    auto [number, level] = next_of(conversation);
    if (number != 0)
      enter(number, level, now);
  }

  /// Makes the next turn of a conversation its first; 0: there was none.
  std::pair<uint64_t, priority> next_of(const line_name& conversation) {
    auto at = lines_.find(conversation);
    auto& line = at->second;
    line.runs = false;
    line.key = 0;
    if (line.followers.empty()) {
      lines_.erase(at);
      return {0, priority::normal};
    }
    unfollow(conversation.first);
    line.first = line.followers.pop_front();
    return {line.first, highest(line)};
  }

  priority highest(conversation_line& line) {
    auto level = waiting_.at(line.first).of.level;
    line.followers.find_if([&](uint64_t number) {
      level = std::min(level, waiting_.at(number).of.level);
      return false;
    });
    return level;
  }

  void take_retries(conversation_line& line, int64_t now) {
    auto same = [&](uint64_t number) { return waiting_.at(number).of.key == line.key; };
    while (auto number = line.followers.take_if(same)) {
      unfollow(line_tenant(*number));
      auto x = forget(*number);
      retries_.push_back({0, std::move(x.what), x.of.level, x.of.tenant, now - x.arrived});
    }
  }

  T withdraw(uint64_t number, int64_t now) {
    auto x = forget(number);
    if (x.queued) {
      queue_.take(x.at);
      counted(x, false);
      advance(name_of(x.of), now);
    } else {
      lines_.at(name_of(x.of)).followers.take_if([=](uint64_t n) { return n == number; });
      unfollow(x.of.tenant);
    }
    return std::move(x.what);
  }

  uint64_t line_tenant(uint64_t number) const { return waiting_.at(number).of.tenant; }

  /// Where too many follow in all, those of a tenant may still who has not more than a share.
  bool may_follow(const conversation_line& line, uint64_t tenant) const {
    if (line.followers.size() >= limits_.following_one)
      return false;
    if (following_ < limits_.following)
      return true;
    auto mine = following_of_.find(tenant);
    auto share = limits_.following / std::max<size_t>(following_of_.size(), 1);
    return mine == following_of_.end() || mine->second < share;
  }

  void follow(uint64_t tenant) {
    ++following_;
    ++following_of_[tenant];
  }

  void unfollow(uint64_t tenant) {
    --following_;
    if (auto at = following_of_.find(tenant); --at->second == 0)
      following_of_.erase(at);
  }

  void counted(const entry& x, bool enters) {
    if (!load_)
      return;
    if (enters)
      load_->entered(x.of.tenant, x.at_level);
    else
      load_->left(x.of.tenant, x.at_level);
  }

  admission_limits limits_;
  tenant_load* load_;
  priority_queue<uint64_t> queue_;
  std::unordered_map<uint64_t, entry> waiting_;
  std::unordered_map<turn_name, uint64_t, turn_name_hash> names_;
  std::set<std::pair<int64_t, uint64_t>> deadlines_;
  std::unordered_map<line_name, conversation_line, line_hash> lines_;
  std::unordered_map<uint64_t, place> running_;
  std::vector<started> retries_;
  std::vector<T> refused_;
  size_t holding_ = 0;
  size_t following_ = 0;
  std::unordered_map<uint64_t, size_t> following_of_;
  uint64_t next_number_ = 1;
};

} // namespace sotto
