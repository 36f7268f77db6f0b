#include "client/client_actor.hpp"

#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace sotto {

namespace {

/// The turns that are under way, by client and ticket. Used by CLIENT and by the client's thread.
class turn_table {
public:
  using name = std::pair<caf::actor_id, uint64_t>;

  /// The turn may be over before its number is known.
  void begin(const name& x) {
    std::lock_guard guard{mutex_};
    turns_[x] = 0;
  }
  void know(const name& x, uint64_t number) {
    std::lock_guard guard{mutex_};
    if (auto at = turns_.find(x); at != turns_.end())
      at->second = number;
  }
  void end(const name& x) {
    std::lock_guard guard{mutex_};
    turns_.erase(x);
  }
  /// Those of one client, or one of them.
  std::vector<uint64_t> find(caf::actor_id client, std::optional<uint64_t> ticket) const {
    std::lock_guard guard{mutex_};
    std::vector<uint64_t> result;
    for (auto at = turns_.lower_bound({client, ticket.value_or(0)});
         at != turns_.end() && at->first.first == client
         && (!ticket || at->first.second == *ticket);
         ++at)
      result.push_back(at->second);
    return result;
  }

private:
  mutable std::mutex mutex_;
  std::map<name, uint64_t> turns_;
};

/// What CLIENT answers a request with, from the client's thread.
template <class T>
client::done<T> answer_to(caf::strong_actor_ptr self, const caf::response_promise& promise) {
  return [self = std::move(self), to = promise.next(),
          id = promise.id().response_id()](answer<T> x) {
    if (to)
      to->enqueue(self, id,
                  x ? caf::make_message(std::move(x.value)) : caf::make_message(to_error(x.why)),
                  nullptr);
  };
}

class client_state {
public:
  static inline const char* name = "client";

  using self_pointer = client_actor::stateful_pointer<client_state>;

  void init(self_pointer self, std::shared_ptr<client> through) {
    self_ = self;
    through_ = std::move(through);
  }

  void say(const context& ctx, const turn_client_actor& to, uint64_t ticket, turn_request turn) {
    turn_table::name key{to->id(), ticket};
    watch(to);
    turn_handlers handlers;
    auto about = ctx;
    about.deadline = 0; // an answer is worth hearing however late it is
    if (turn.stream)
      handlers.piece = [=](const stream_piece& x) {
        caf::anon_send(to, about, atom::token_v, ticket, x);
      };
    handlers.anew = [=] { caf::anon_send(to, about, atom::resumed_v, ticket, false); };
    handlers.done = [=, turns = turns_](answer<turn_reply> x) {
      turns->end(key);
      if (x)
        caf::anon_send(to, about, atom::completed_v, ticket, std::move(x.value));
      else
        caf::anon_send(to, about, atom::failed_v, ticket, x.why);
    };
    call_options with = options(ctx);
    if (!turn.level_given)
      with.level.reset();
    turns_->begin(key);
    turns_->know(key, through_->say(std::move(turn), std::move(handlers), with));
  }

  void cancel(caf::actor_id client, std::optional<uint64_t> ticket) {
    for (auto number : turns_->find(client, ticket))
      through_->cancel(number);
  }

  void subscribe(const event_client_actor& to, const owner_key& owner,
                 const std::string& conversation, const subscription& wish) {
    listener_name key{to->id(), owner.owner, conversation};
    if (auto before = listeners_.extract(key))
      through_->unlisten(before.mapped());
    if (wish.lease <= 0)
      return;
    watch(to);
    listen_handlers handlers;
    handlers.event = [to](const session_event& x) {
      caf::anon_send(to, context{}, atom::event_v, x);
    };
    handlers.failed = [to, owner, conversation](const failure&) {
      session_event last;
      last.what = session_event::kind::lapsed;
      last.owner = owner;
      last.conversation = conversation;
      caf::anon_send(to, context{}, atom::event_v, last);
    };
    listeners_[key] = through_->listen(owner, conversation, std::move(handlers), wish.kinds);
  }

  void down(const caf::down_msg& x) {
    watched_.erase(x.source.id());
    cancel(x.source.id(), std::nullopt);
    std::erase_if(listeners_, [&](auto& y) {
      auto gone = std::get<0>(y.first) == x.source.id();
      if (gone)
        through_->unlisten(y.second);
      return gone;
    });
  }

  call_options options(const context& ctx) const {
    call_options x;
    x.level = ctx.level;
    if (ctx.deadline != 0)
      x.deadline = std::chrono::nanoseconds{
          std::max<int64_t>(ctx.deadline - self_->clock().now().time_since_epoch().count(), 1)};
    return x;
  }

  template <class T>
  client::done<T> respond(caf::typed_response_promise<T>& promise) {
    return answer_to<T>(caf::strong_actor_ptr{self_->ctrl()}, promise);
  }

  client& through() { return *through_; }

private:
  /// To be told of its end: once, as CAF keeps every wish for that.
  template <class Handle>
  void watch(const Handle& x) {
    if (watched_.insert(x->id()).second)
      self_->monitor(x);
  }

  using listener_name = std::tuple<caf::actor_id, std::string, std::string>;

  self_pointer self_ = nullptr;
  std::shared_ptr<client> through_;
  std::shared_ptr<turn_table> turns_ = std::make_shared<turn_table>();
  std::map<listener_name, uint64_t> listeners_;
  std::set<caf::actor_id> watched_;
};

client_actor::behavior_type behaviour(client_actor::stateful_pointer<client_state> self,
                                      std::shared_ptr<client> through) {
  auto& state = self->state;
  state.init(self, std::move(through));
  self->set_down_handler([&state](caf::down_msg& x) { state.down(x); });
  return {
      [self, &state](const context& ctx, atom::recall, memory_query& x) {
        auto promise = self->make_response_promise<std::vector<recalled>>();
        state.through().recall(std::move(x), state.respond(promise), state.options(ctx));
        return promise;
      },
      [self, &state](const context& ctx, atom::remember, memory_write& x) {
        auto promise = self->make_response_promise<memory_receipt>();
        state.through().remember(std::move(x), state.respond(promise), state.options(ctx));
        return promise;
      },
      [self, &state](const context& ctx, atom::list, memory_page_query& x) {
        auto promise = self->make_response_promise<memory_page>();
        state.through().list(std::move(x), state.respond(promise), state.options(ctx));
        return promise;
      },
      [self, &state](const context& ctx, atom::remove, owner_key& owner, std::string& id) {
        auto promise = self->make_response_promise<bool>();
        state.through().remove(std::move(owner), std::move(id), state.respond(promise),
                               state.options(ctx));
        return promise;
      },
      [self, &state](const context& ctx, atom::forget, owner_key& owner) {
        auto promise = self->make_response_promise<forget_receipt>();
        state.through().forget(std::move(owner), state.respond(promise), state.options(ctx));
        return promise;
      },
      [](const context&, atom::forget, const spoken_by&) -> caf::result<spoken_receipt> {
        return to_error(
            {ec::invalid,
             "partitions are asked by nodes only; forget the user, which reaches groups",
             {}});
      },
      [&state](const context& ctx, atom::say, const turn_client_actor& to, uint64_t ticket,
               turn_request& x) { state.say(ctx, to, ticket, std::move(x)); },
      [&state](const context&, atom::cancel, const turn_client_actor& to, uint64_t ticket,
               const owner_key&, const std::string&, bool) { state.cancel(to->id(), ticket); },
      [&state](const context&, atom::subscribe, const event_client_actor& to,
               const owner_key& owner, const std::string& conversation,
               const subscription& x) { state.subscribe(to, owner, conversation, x); },
  };
}

} // namespace

client_actor spawn_client(caf::actor_system& system, std::shared_ptr<client> through) {
  return system.spawn(behaviour, std::move(through));
}

} // namespace sotto
