// FRONTEND: each kind of call.
#include <algorithm>

#include "nodes/forget_user.hpp"
#include "nodes/native_calls.hpp"
#include "nodes/native_connection.hpp"
#include "nodes/nobody.hpp"

namespace sotto {

namespace {

native_answer answer_of(std::vector<recalled>& x) {
  return native_found{std::move(x)};
}

native_answer answer_of(memory_receipt& x) {
  return std::move(x);
}

native_answer answer_of(memory_page& x) {
  return std::move(x);
}

native_answer answer_of(bool x) {
  return native_removed{x};
}

} // namespace

/// Asks the partition of `owner`; `Result` is what it answers.
template <class Result, class... Ts>
void native_connection_state::ask(const call& x, const owner_key& owner, Ts&&... what) {
  self_
      ->request(parts_->to->home_of(owner), patience(), within(self_, x.ctx, patience()),
                std::forward<Ts>(what)...)
      .then([this, number = x.number](Result& y) { end(number, answer_of(y)); },
            [this, number = x.number](const caf::error& err) { end(number, to_failure(err)); });
}

void native_connection_state::serve(call& x) {
  auto& tenant = who_.tenant;
  // What is wrong with it is all that is told of such a call.
  auto good = [&](const failure& why) {
    if (why)
      end(x.number, why);
    return !why;
  };
  if (auto* turn = std::get_if<turn_request>(&x.body)) {
    if (good(check_call(*turn, parts_->to->with, tenant, nobodys_conversation(*turn, x.ctx))))
      say(x, *turn);
  } else if (auto* query = std::get_if<memory_query>(&x.body)) {
    if (good(check_call(*query, tenant)))
      recall(x, std::move(*query));
  } else if (auto* write = std::get_if<memory_write>(&x.body)) {
    if (good(check_call(*write, tenant))) {
      auto owner = write->owner;
      ask<memory_receipt>(x, owner, atom::remember_v, std::move(*write));
    }
  } else if (auto* page = std::get_if<memory_page_query>(&x.body)) {
    if (good(check_call(*page, tenant)))
      ask<memory_page>(x, page->owner, atom::list_v, *page);
  } else if (auto* one = std::get_if<native_remove>(&x.body)) {
    if (good(check_call(*one, tenant)))
      ask<bool>(x, one->owner, atom::remove_v, one->owner, one->id);
  } else if (auto* all = std::get_if<native_forget>(&x.body)) {
    if (good(check_call(*all, tenant)))
      forget(x, all->owner);
  }
}

void native_connection_state::forget(const call& x, const owner_key& user) {
  using work = forget_user<self_pointer>;
  auto ended = [this, number = x.number](work::outcome y) {
    if (y.why)
      return end(number, y.why);
    y.own.memories += y.in_groups;
    end(number, std::move(y.own));
  };
  std::make_shared<work>(self_, parts_->to, within(self_, x.ctx, patience()), std::move(ended))
      ->run(user);
}

void native_connection_state::say(call& x, turn_request& turn) {
  turn.level = x.ctx.level;
  turn.level_given = x.level_given;
  turn.slot = nullptr;
  auto& running = running_[x.number];
  running.owner = turn.owner;
  running.conversation = turn.conversation;
  running.stream = turn.stream;
  running.resume = static_cast<uint64_t>(std::max<int64_t>(0, turn.resume_from));
  running.home = parts_->to->turns_of();
  // All at one level, so that turns of one conversation cannot overtake each other on the way.
  auto on_the_way = self_->child(x.ctx);
  on_the_way.level = priority::normal;
  self_->send(running.home, on_the_way, atom::say_v, turn_client_actor{self_}, x.number,
              std::move(turn));
}

void native_connection_state::recall(const call& x, memory_query query) {
  auto search = [this, ctx = x.ctx, number = x.number](memory_query& y) {
    auto owner = y.owner;
    ask<std::vector<recalled>>({ctx, number, false, {}, 0}, owner, atom::recall_v, std::move(y));
  };
  if (!parts_->to->embeds_elsewhere)
    return search(query);
  // As CONNECTION does it: without an answer the search goes by words alone.
  auto shared = std::make_shared<memory_query>(std::move(query));
  self_
      ->request(parts_->to->embedding, patience() / 2, within(self_, x.ctx, patience() / 2),
                atom::embed_v, shared->text)
      .then(
          [shared, search](std::vector<float>& vector) {
            shared->vector = std::move(vector);
            search(*shared);
          },
          [shared, search](const caf::error&) { search(*shared); });
}

void native_connection_state::subscribe(const call& x, native_subscribe wish) {
  if (auto why = check_call(wish, parts_->to->with, who_.tenant))
    return tell(x.number, why);
  auto now = self_->nanos();
  event_place place{wish.owner, wish.conversation};
  auto most = parts_->to->with.limits.max_subscriptions;
  if (wishes_.size() >= most)
    std::erase_if(wishes_, [&](auto& y) { return y.second <= now; });
  if (wish.wanted.lease == 0)
    wishes_.erase(place);
  else if (!wishes_.contains(place) && wishes_.size() >= most)
    return tell(x.number, failure{ec::overloaded, "too many subscriptions on this link", {}});
  else
    wishes_[place] = now + wish.wanted.lease;
  self_->send(parts_->to->home_of(wish.owner), context{}, atom::subscribe_v,
              event_client_actor{self_}, wish.owner, wish.conversation, wish.wanted);
}

} // namespace sotto
