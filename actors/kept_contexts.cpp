#include "actors/kept_contexts.hpp"

namespace sotto {

namespace {

/// Its nodes in both containers.
constexpr size_t entry_bytes = 256;

} // namespace

void kept_contexts::count(int64_t bytes) {
  account_->kept_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void kept_contexts::keep(const owner_key& owner, const std::string& conversation,
                         std::unique_ptr<conversation_context> x, int64_t until) {
  auto bytes = x->bytes() + entry_bytes + 3 * (owner.owner.size() + conversation.size());
  auto too_much = [&] {
    auto held = static_cast<uint64_t>(std::max<int64_t>(account_->kept_bytes, 0));
    return held + bytes > account_->max_kept || account_->excess_bytes() > 0;
  };
  while (too_much())
    if (!drop_oldest())
      return;
  auto& at = by_owner_[owner][conversation];
  if (at.what) {
    count(-static_cast<int64_t>(at.bytes));
    --held_;
  }
  at = {std::move(x), bytes, next_++, until};
  order_.push_back({owner, conversation, at.number, until});
  count(static_cast<int64_t>(bytes));
  ++held_;
  // What was taken leaves its place in the order behind.
  if (order_.size() > 2 * held_ + 64)
    std::erase_if(order_, [&](auto& y) {
      auto of = by_owner_.find(y.owner);
      if (of == by_owner_.end())
        return true;
      auto in = of->second.find(y.conversation);
      return in == of->second.end() || in->second.number != y.number;
    });
}

std::unique_ptr<conversation_context>
kept_contexts::take(const owner_key& owner, const std::string& conversation, int64_t now) {
  auto of = by_owner_.find(owner);
  if (of == by_owner_.end())
    return nullptr;
  auto at = of->second.find(conversation);
  if (at == of->second.end())
    return nullptr;
  auto x = std::move(at->second);
  of->second.erase(at);
  if (of->second.empty())
    by_owner_.erase(of);
  count(-static_cast<int64_t>(x.bytes));
  --held_;
  return x.until > now ? std::move(x.what) : nullptr;
}

void kept_contexts::forget(const owner_key& owner) {
  auto of = by_owner_.find(owner);
  if (of == by_owner_.end())
    return;
  for (auto& [name, x] : of->second) {
    count(-static_cast<int64_t>(x.bytes));
    --held_;
  }
  by_owner_.erase(of);
}

bool kept_contexts::drop_oldest() {
  while (!order_.empty()) {
    auto first = std::move(order_.front());
    order_.pop_front();
    auto of = by_owner_.find(first.owner);
    if (of == by_owner_.end())
      continue;
    auto at = of->second.find(first.conversation);
    if (at == of->second.end() || at->second.number != first.number)
      continue;
    take(first.owner, first.conversation, first.until);
    return true;
  }
  return false;
}

void kept_contexts::expire(int64_t now) {
  while (!order_.empty() && order_.front().until <= now) {
    auto first = std::move(order_.front());
    order_.pop_front();
    auto of = by_owner_.find(first.owner);
    if (of == by_owner_.end())
      continue;
    auto at = of->second.find(first.conversation);
    if (at != of->second.end() && at->second.number == first.number)
      take(first.owner, first.conversation, now);
  }
}

void kept_contexts::clear() {
  while (drop_oldest()) {
  }
}

} // namespace sotto
