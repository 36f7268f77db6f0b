#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "actors/session_place.hpp"
#include "runtime/memory_account.hpp"

namespace sotto {

/// The ends of conversations whose sessions have left, for a while. Where the node keeps too much
/// of them, the oldest here give way; where there is none here, the new one is not kept. Knows no
/// actor or clock; times are nanoseconds.
class kept_contexts {
public:
  kept_contexts() = default;
  kept_contexts(const kept_contexts&) = delete;
  kept_contexts& operator=(const kept_contexts&) = delete;
  ~kept_contexts() { clear(); }

  void init(std::shared_ptr<memory_account> account) { account_ = std::move(account); }

  void keep(const owner_key& owner, const std::string& conversation,
            std::unique_ptr<conversation_context> x, int64_t until);

  /// Hands out what is kept of a conversation, if anything is.
  std::unique_ptr<conversation_context> take(const owner_key& owner,
                                             const std::string& conversation, int64_t now);

  void forget(const owner_key& owner);

  /// Drops what has been kept for long enough.
  void expire(int64_t now);

  void clear();
  bool empty() const { return by_owner_.empty(); }

private:
  struct kept {
    std::unique_ptr<conversation_context> what;
    size_t bytes = 0;
    uint64_t number = 0;
    int64_t until = 0;
  };
  struct turn_out {
    owner_key owner;
    std::string conversation;
    uint64_t number = 0;
    int64_t until = 0;
  };
  using conversations = std::unordered_map<std::string, kept>;

  void count(int64_t bytes);
  bool drop_oldest();

  std::shared_ptr<memory_account> account_;
  std::unordered_map<owner_key, conversations> by_owner_;
  /// In the order of their end; some may have been taken since.
  std::deque<turn_out> order_;
  uint64_t next_ = 1;
  size_t held_ = 0;
};

} // namespace sotto
