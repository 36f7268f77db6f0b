#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "messages/context.hpp"
#include "messages/turn.hpp"

namespace sotto {

/// Who waits for a generation, under a ticket of their own.
template <class Client>
struct prompt_asker {
  context ctx;
  Client client{};
  uint64_t ticket = 0;
};

/// One call to a provider, with everybody who waits for it.
template <class Client, class Asker = prompt_asker<Client>>
struct prompt_call {
  std::vector<Asker> askers;
  /// Empty where nobody may join.
  std::string key;
  /// What was streamed by now; kept for who joins.
  std::string text;

  /// The best of all askers'.
  priority level() const {
    auto best = std::min_element(askers.begin(), askers.end(),
                                 [](auto& a, auto& b) { return a.ctx.level < b.ctx.level; });
    return best == askers.end() ? priority::background : best->ctx.level;
  }

  /// False where this is none of the askers.
  bool remove(const Client& client, uint64_t ticket) {
    auto at = std::find_if(askers.begin(), askers.end(),
                           [&](auto& x) { return x.ticket == ticket && x.client == client; });
    if (at == askers.end())
      return false;
    at->client = Client{}; // they are not told anything any more
    askers.erase(at);
    return true;
  }

  /// Takes out those whose deadline passed.
  std::vector<Asker> take_late(int64_t now) {
    auto late = std::stable_partition(askers.begin(), askers.end(),
                                      [now](auto& x) { return !x.ctx.late(now); });
    std::vector<Asker> result(std::make_move_iterator(late), std::make_move_iterator(askers.end()));
    askers.erase(late, askers.end());
    return result;
  }
};

/// Calls under way, by what is asked: who asks the same while one is under way joins it. It is
/// whoever works on a call that keeps it.
template <class Client, class Asker = prompt_asker<Client>>
class shared_prompts {
public:
  using call = std::shared_ptr<prompt_call<Client, Asker>>;

  /// A call has at most so many askers; the next of them gets a call of their own.
  explicit shared_prompts(size_t most_askers = 1) : most_askers_(most_askers) {}

  /// The call with this key that is under way, with `x` added to its askers; else nothing, and `x`
  /// is untouched.
  call join(const std::string& key, Asker& x) {
    auto at = key.empty() ? under_way_.end() : under_way_.find(key);
    auto to = at == under_way_.end() ? nullptr : at->second.lock();
    if (!to || to->askers.size() >= most_askers_)
      return nullptr;
    to->askers.push_back(std::move(x));
    return to;
  }

  call open(std::string key, Asker first) {
    auto result = std::make_shared<prompt_call<Client, Asker>>();
    result->key = std::move(key);
    result->askers.push_back(std::move(first));
    if (!result->key.empty())
      under_way_.insert_or_assign(result->key, result);
    return result;
  }

  /// The call is over: nobody joins it any more.
  void close(const prompt_call<Client, Asker>& x) {
    if (auto at = under_way_.find(x.key); at != under_way_.end() && at->second.lock().get() == &x)
      under_way_.erase(at);
  }

  /// Forgets calls that nobody works on, as something failed.
  void tidy() {
    std::erase_if(under_way_, [](auto& x) { return x.second.expired(); });
  }

  size_t size() const { return under_way_.size(); }

private:
  size_t most_askers_;
  std::unordered_map<std::string, std::weak_ptr<prompt_call<Client, Asker>>> under_way_;
};

/// What makes two generations the same: the tenant and all that reaches a provider, or the builtin
/// responder in its place. Empty where the answer is left to chance, that is, unless the
/// temperature is 0: a seed alone promises nothing.
std::string sharing_key(const generation& x);

} // namespace sotto
