#pragma once

#include <exception>
#include <mutex>

#include <caf/event_based_actor.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/system_messages.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "messages/actors.hpp"
#include "runtime/services.hpp"
#include "runtime/small_mutex.hpp"
#include "runtime/sparse_queue.hpp"

namespace sotto {

/// Tells whoever waits for an answer to `x` that there will be none: the requester of a CAF
/// request, or the client whose handle and ticket follow the verb.
void refuse(caf::mailbox_element& x, failure why);

/// The verb of a message (its first atom after the context), 0 if it has none.
uint64_t verb_of(const caf::mailbox_element& x);

/// Whether `x` is a `cancel` of the turn or generation that `y` asks for.
bool cancels(caf::mailbox_element& x, caf::mailbox_element& y);

/// What a handler threw, without its words: they may be a user's.
struct handler_failure {};

/// Counts and logs that a handler of an actor of this type threw what is being caught.
void note_failure(node_services& services, const char* actor, uint64_t verb) noexcept;

/// What is told to who waits for a message whose handler threw.
failure failed_within(const char* actor);

/// The base of all actors: a bounded mailbox of five levels on top of CAF's, in which a message
/// waits by the level of its context; messages that are late are refused instead of served; every
/// message is recorded. Urgent messages, responses and CAF's own pass at once and are never
/// refused.
///
/// Each waiting message is announced by a token in CAF's mailbox; a token serves whichever message
/// is the best by then.
///
/// A `cancel` is urgent and passes what waits: what it is about is taken out of the levels. It was
/// sent before by the same sender, so that it is there or was served.
///
/// Where a handler throws, who waits for the message is told (`ec::internal`), and it is counted
/// and logged. Then the actor ends, unless it is one that goes on (`lasting_actor`).
template <class Base>
class base_actor : public Base {
public:
  template <class... Ts>
  explicit base_actor(caf::actor_config& cfg, Ts&&... xs)
      : Base(cfg, std::forward<Ts>(xs)...), services_(services_of(this->home_system())),
        spans_(services_.next_id()) {}

  node_services& services() { return services_; }

  /// Monotonic nanoseconds of the actor clock; comparable with `context::deadline`.
  int64_t nanos() { return this->clock().now().time_since_epoch().count(); }

  /// Microseconds since 1970, UTC.
  int64_t unix_micros() { return services_.wall(); }

  /// The context for a message that the work of `ctx` causes.
  context child(const context& ctx) {
    auto result = ctx;
    result.parent = ctx.span;
    result.span = spans_();
    result.clock = ++clock_;
    return result;
  }

  /// The actor of this type whose message this thread serves. For behaviours that all actors of a
  /// type share, in place of what each would hold of its own; of use in its handlers only.
  static base_actor& serving() { return *serving_; }

  /// Messages that wait in the five levels.
  size_t backlog() {
    std::lock_guard guard{mutex_};
    return waiting_.size();
  }

  // Runs on the sender's thread.
  void enqueue(caf::mailbox_element_ptr x, caf::execution_unit* eu) override {
    if (!is_work(*x)) {
      Base::enqueue(std::move(x), eu);
      return;
    }
    auto level = x->content().template get_as<context>(0).level;
    std::optional<entry> evicted;
    failure why{ec::overloaded, "too many messages wait here", {}};
    bool announce = false;
    {
      std::lock_guard guard{mutex_};
      auto count = waiting_.size();
      if (stopped_) {
        why = {ec::unavailable, "the receiver has stopped", {}};
        evicted = entry{std::move(x), nanos()};
      } else {
        evicted = waiting_.push(level, entry{std::move(x), nanos()}, services_.mailbox_bound);
      }
      announce = waiting_.size() > count;
    }
    if (evicted)
      bounce(*evicted->message, outcome::refused, evicted->enqueued, std::move(why));
    if (announce)
      Base::enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, serve), eu);
  }

  // Runs on the actor's thread: every message passes here.
  caf::invoke_message_result consume(caf::mailbox_element& x) override {
    serving_ = this;
    if (!is_token(x)) {
      if (verb_of(x) == atom::cancel::uint_value())
        withdraw(x);
      auto result = observe(x, 0, 0);
      forget_answers();
      return result;
    }
    std::optional<entry> next;
    size_t behind = 0;
    {
      std::lock_guard guard{mutex_};
      next = waiting_.pop();
      behind = waiting_.size();
    }
    if (!next)
      return caf::invoke_message_result::consumed;
    if (next->message->content().template get_as<context>(0).late(nanos())) {
      bounce(*next->message, outcome::late, next->enqueued,
             {ec::timeout, "the deadline passed while the message waited", {}});
      return caf::invoke_message_result::consumed;
    }
    return observe(*next->message, next->enqueued, behind);
  }

  // Runs once, when the actor has ended: what still waits is answered.
  bool cleanup(caf::error&& reason, caf::execution_unit* host) override {
    sparse_queue<entry> left;
    {
      std::lock_guard guard{mutex_};
      stopped_ = true;
      std::swap(left, waiting_);
    }
    while (auto x = left.pop())
      bounce(*x->message, outcome::refused, x->enqueued,
             {ec::unavailable, "the receiver has stopped", {}});
    return Base::cleanup(std::move(reason), host);
  }

protected:
  /// A handler threw, and it was told: whether the actor can go on.
  virtual bool mended() { return false; }

private:
  static constexpr auto serve = caf::atom("serve");

  static bool is_token(caf::mailbox_element& x) {
    return x.content().size() == 1 && x.content().template match_element<caf::atom_value>(0)
           && x.content().template get_as<caf::atom_value>(0) == serve;
  }

  struct entry {
    caf::mailbox_element_ptr message;
    int64_t enqueued = 0;
  };

  static bool is_work(caf::mailbox_element& x) {
    return !x.mid.is_response() && !x.is_high_priority() && !x.content().empty()
           && x.content().template match_element<context>(0);
  }

  caf::invoke_message_result observe(caf::mailbox_element& x, int64_t enqueued, size_t behind) {
    if (x.content().empty() || !x.content().template match_element<context>(0))
      return handle(x, nullptr);
    message_record record;
    describe(record, x, enqueued);
    clock_ = std::max(clock_, record.ctx.clock) + 1;
    record.started = nanos();
    record.waiting = static_cast<uint32_t>(behind);
    auto result = handle(x, &record);
    record.ended = nanos();
    if (result != caf::invoke_message_result::consumed)
      record.ended_as = outcome::failed;
    services_.flows.record(record);
    return result;
  }

  caf::invoke_message_result handle(caf::mailbox_element& x, message_record* record) {
    // A promise takes both out of the message.
    auto request = x.mid;
    auto asker = request.is_request() ? x.sender : nullptr;
    try {
      return Base::consume(x);
    } catch (...) {
      note_failure(services_, this->name(), verb_of(x));
      if (asker)
        asker->enqueue(nullptr, request.response_id(),
                       caf::make_message(to_error(failed_within(this->name()))), nullptr);
      else
        refuse(x, failed_within(this->name()));
      // Whoever ends an actor means it.
      if (record)
        record->ended_as = outcome::failed;
      if (x.content().template match_elements<caf::exit_msg>() || !mended()) {
        if (record)
          services_.flows.record(*record);
        throw handler_failure{};
      }
      return caf::invoke_message_result::consumed;
    }
  }

  /// Takes out what waits and is cancelled by `x`.
  void withdraw(caf::mailbox_element& x) {
    std::optional<entry> found;
    {
      std::lock_guard guard{mutex_};
      found = waiting_.take_if([&](entry& y) { return cancels(x, *y.message); });
    }
    if (found)
      note(*found->message, outcome::refused, found->enqueued);
  }

  void bounce(caf::mailbox_element& x, outcome how, int64_t enqueued, failure why) {
    note(x, how, enqueued);
    refuse(x, std::move(why));
  }

  /// Records what is not served.
  void note(caf::mailbox_element& x, outcome how, int64_t enqueued) {
    message_record record;
    describe(record, x, enqueued);
    record.started = record.ended = nanos();
    record.ended_as = how;
    services_.flows.record(record);
  }

  void describe(message_record& record, caf::mailbox_element& x, int64_t enqueued) {
    record.ctx = x.content().template get_as<context>(0);
    record.sender = x.sender ? x.sender->id() : 0;
    record.receiver = this->id();
    record.receiver_type = this->name();
    record.verb = verb_of(x);
    record.enqueued = enqueued;
  }

  /// CAF keeps the room of all answers that ever were waited for at the same time.
  void forget_answers() {
    if (auto& kept = this->multiplexed_responses_.container(); kept.empty())
      kept.shrink_to_fit();
  }

  static inline thread_local base_actor* serving_ = nullptr;

  node_services& services_;
  small_mutex mutex_;
  bool stopped_ = false;
  sparse_queue<entry> waiting_;
  splitmix spans_;
  uint64_t clock_ = 0;
};

/// An actor with the interface `Handle` and the state `State`. `State` has a
/// `static inline const char* name` for records and logs.
template <class Handle, class State>
using actor_of = caf::stateful_actor<State, base_actor<typename Handle::base>>;

} // namespace sotto
