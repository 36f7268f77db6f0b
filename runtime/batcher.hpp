#pragma once

#include "runtime/array_call.hpp"
#include "runtime/batch_runner.hpp"
#include "runtime/batch_stats.hpp"

namespace sotto {

/// The part of an actor's state that batches an operation: `Self` is the actor's pointer type,
/// `Handle` its interface.
///
/// A request that arrives alone is run at once, in the message that brought it. Where more messages
/// wait behind it, they are gathered first: a batch is cut when it is full or when all that waited
/// has been taken in. Nobody waits for a timer, unless the policy expects more than it costs. What
/// takes less than to gather it (`batch_limits::light`) is run when it comes, past the queue.
///
/// Arrays pass the queue: their texts lie together already, and a key and a ticket an item would
/// cost more than most operations. They are run in slices between the batches, so that an array of
/// ten thousand delays nobody by more than one slice.
template <class Self, class Handle, class In, class Out>
class batcher {
public:
  using op = operation<In, Out>;
  using result = typename op::result;
  using runner = batch_runner<Self, Handle, In, Out>;
  using queue = batch_queue<In, Out>;

  batcher() = default;
  batcher(const batcher&) = delete;
  batcher& operator=(const batcher&) = delete;

  ~batcher() {
    failure why{ec::unavailable, "the batcher stopped", {}};
    for (auto& [ticket, x] : waiting_)
      answer(x, why);
    while (auto x = arrays_ ? arrays_->pop(0) : std::nullopt)
      (*x)->drop(why);
    for (auto& [number, x] : slices_)
      x.whose->drop(why);
  }

  void init(Self self, op what, std::shared_ptr<const work_places> places) {
    self_ = self;
    what_ = std::make_shared<const op>(std::move(what));
    stats_ = places->metrics->add(what_->name);
    queue_ = std::make_unique<queue>(what_->keys, what_->queue);
    queue_->gone = [this](uint64_t ticket) { return drop_if_gone(ticket); };
    arrays_ = std::make_unique<priority_queue<std::shared_ptr<array>>>(what_->queue);
    policy_ = batch_policy{what_->limits};
    runner_.init(self, what_, std::move(places));
  }

  caf::result<Out> ask(const context& ctx, In x) {
    if (queue_->waiting() == 0 && policy_.light() && runner_.here())
      return run_alone(ctx, x);
    waiter who;
    who.promise = self_->template make_response_promise<Out>();
    auto promise = who.promise;
    submit(ctx, std::move(x), std::move(who));
    gather();
    return promise;
  }

  /// As many results as items, in order; one failure fails the whole.
  caf::result<std::vector<Out>> ask_all(const context& ctx, std::vector<In> xs) {
    return ask_array<std::vector<Out>>(
        ctx, std::move(xs), [](std::vector<Out>&& results) { return std::move(results); });
  }

  /// The same as text: written here, where other actors' arrays are written at the same time.
  caf::result<std::string> ask_written(const context& ctx, std::vector<In> xs) {
    if (!what_->write)
      return to_error({ec::unavailable, what_->name + " has no text form on this node", {}});
    return ask_array<std::string>(ctx, std::move(xs), [what = what_](std::vector<Out>&& results) {
      return what->write(results);
    });
  }

  void completed(uint64_t number) {
    auto done = runner_.completed(number);
    if (!done)
      return;
    settle(number, std::move(*done));
    flush();
    serve();
  }

  void window_over() {
    armed_ = false;
    serve(true);
  }

  void gathered() {
    announced_ = false;
    serve();
  }

private:
  /// Of an array's items, those run at a time.
  static constexpr size_t slice = 128;

  using array = array_call<In, Out>;

  /// Who waits for an item: a request, or a place in an array.
  struct waiter {
    caf::typed_response_promise<Out> promise;
    std::shared_ptr<array> of;
    size_t place = 0;
  };

  struct slice_run {
    std::shared_ptr<array> whose;
    size_t from = 0;
  };

  template <class T, class F>
  caf::result<T> ask_array(const context& ctx, std::vector<In> xs, F form) {
    auto promise = self_->template make_response_promise<T>();
    if (array_items_ + xs.size() > what_->queue.bound) {
      promise.deliver(to_error({ec::overloaded, "too much of this waits already", {}}));
      return promise;
    }
    auto x = std::make_shared<array>(
        ctx, asker_of(promise), std::move(xs),
        [promise, form = std::move(form)](typename array::outcome all) mutable {
          if (auto* results = std::get_if<std::vector<Out>>(&all))
            promise.deliver(form(std::move(*results)));
          else
            promise.deliver(to_error(std::get<failure>(all)));
        });
    array_items_ += x->size();
    if (x->size() == 0 || what_->start)
      one_by_one(x, 0, x->size());
    else
      wait(x);
    end(*x);
    gather();
    return promise;
  }

  void submit(const context& ctx, In x, waiter who) {
    auto now = self_->nanos();
    latest_ = ctx;
    policy_.arrived(now);
    auto ticket = queue_->submit({std::move(x), {ctx.level, ctx.tenant}, ctx.deadline}, now, out_);
    waiting_.emplace(ticket, std::move(who));
    if (runner_.running() > 0)
      runner_.join(queue_->batch_of(ticket), asker_of(ticket, ctx.deadline));
    answer_all();
  }

  static const caf::strong_actor_ptr& asker_of(const caf::response_promise& x) {
    return x.source();
  }

  batch_audience::member asker_of(uint64_t ticket, int64_t deadline) {
    auto at = waiting_.find(ticket);
    if (at == waiting_.end())
      return {nullptr, deadline};
    auto* of = at->second.of.get();
    return {of ? of->asker() : asker_of(at->second.promise), deadline};
  }

  static bool is_gone(const caf::strong_actor_ptr& asker) {
    return asker && asker->get()->getf(caf::abstract_actor::is_terminated_flag);
  }

  /// Nobody computes for an actor that has ended: a client that hung up.
  bool drop_if_gone(uint64_t ticket) {
    auto at = waiting_.find(ticket);
    if (at == waiting_.end())
      return false;
    auto* of = at->second.of.get();
    if (!is_gone(of ? of->asker() : asker_of(at->second.promise)))
      return false;
    auto who = std::move(at->second);
    waiting_.erase(at);
    answer(who, failure{ec::cancelled, "nobody waits for the answer", {}});
    return true;
  }

  void answer_all() {
    for (auto& [ticket, what] : out_)
      if (auto node = waiting_.extract(ticket); !node.empty())
        answer(node.mapped(), std::move(what));
    out_.clear();
  }

  void answer(waiter& to, result what) {
    auto* good = std::get_if<Out>(&what);
    if (!to.of) {
      if (good)
        to.promise.deliver(std::move(*good));
      else
        to.promise.deliver(to_error(std::get<failure>(what)));
      return;
    }
    to.of->put(to.place, std::move(what));
    end(*to.of);
  }

  void end(array& x) {
    if (x.end())
      array_items_ -= x.size();
  }

  // -- when to run -------------------------------------------------------------------------------

  void gather() {
    auto full = queue_->waiting() >= policy_.size();
    if (self_->backlog() > 0 && !full)
      return announce();
    serve();
  }

  void announce() {
    if (std::exchange(announced_, true))
      return;
    // No context: it passes the levels, and comes behind what is announced in the mailbox by now.
    self_->send(self_, atom::tick_v);
  }

  /// `waited`: the window is over, whatever the policy hopes for now.
  void serve(bool waited = false) {
    auto here = runner_.here();
    while (queue_->waiting() > 0 && (here || !runner_.full())) {
      auto wait =
          std::exchange(waited, false) ? 0 : policy_.window(queue_->waiting(), runner_.running());
      if (wait > 0 && !armed_) {
        armed_ = true;
        self_->template delayed_send<caf::message_priority::high>(self_, caf::timespan{wait},
                                                                  context{}, atom::tick_v);
      }
      if (wait > 0)
        break;
      // What runs elsewhere holds one of few places: it takes along all it may.
      auto most = here ? policy_.size() : what_->limits.max_items;
      auto next = queue_->cut(most, what_->most_cost, self_->nanos(), out_);
      if (!next.items.empty())
        execute(next.number, next.items, std::move(next.tenants));
      answer_all();
    }
    serve_array(here);
    flush();
  }

  /// One slice of the next array; the others and the queue have their turn before the next.
  void serve_array(bool here) {
    if (arrays_->empty() || (!here && runner_.full()))
      return;
    auto x = *arrays_->pop(self_->nanos());
    if (x->ctx().late(self_->nanos()) || is_gone(x->asker())) {
      x->give_up({ec::timeout, "the deadline passed while the rest of the array waited", {}});
      return end(*x);
    }
    auto from = x->next(), to = std::min(x->size(), from + slice);
    std::vector<const In*> items;
    for (auto i = from; i < to; ++i)
      items.push_back(&(*x)[i]);
    x->take(to);
    stats_->array(x->ctx().level, items.size(), 1);
    auto number = next_slice_++;
    slices_.emplace(number, slice_run{x, from});
    if (to < x->size())
      wait(x);
    latest_ = x->ctx();
    execute(number, items, std::vector<uint64_t>(items.size(), x->ctx().tenant));
    if (!arrays_->empty())
      announce();
  }

  // By level, for every slice anew. There is room: `ask_all` bounds the items of all by this
  // figure.
  void wait(const std::shared_ptr<array>& x) {
    arrays_->push(x, {x->ctx().level, x->ctx().tenant}, self_->nanos());
  }

  // -- running -----------------------------------------------------------------------------------

  void execute(uint64_t number, const std::vector<const In*>& items,
               std::vector<uint64_t> tenants) {
    if (runner_.here())
      settle(number, runner_.run_here(items));
    else
      runner_.start(number, self_->child(latest_), items, std::move(tenants), audience(number));
  }

  std::vector<batch_audience::member> audience(uint64_t number) {
    if (auto at = slices_.find(number); at != slices_.end())
      return {{at->second.whose->asker(), at->second.whose->ctx().deadline}};
    std::vector<batch_audience::member> result;
    queue_->each_asker(number, [&](uint64_t ticket, int64_t deadline) {
      result.push_back(asker_of(ticket, deadline));
    });
    return result;
  }

  caf::result<Out> run_alone(const context& ctx, const In& x) {
    const In* item = &x;
    policy_.arrived(self_->nanos());
    stats_->passed(ctx.level, queue_->pass(ctx.level));
    auto done = runner_.run_here(std::span<const In* const>{&item, 1});
    policy_.served(1, done.took);
    stats_->served(1, done.took, done.lane);
    if (auto* why = std::get_if<failure>(&done.outcome))
      return to_error(*why);
    auto& results = std::get<std::vector<result>>(done.outcome);
    if (results.size() != 1)
      return to_error({ec::internal, "the operation gave no result for its item", {}});
    if (auto* why = std::get_if<failure>(&results.front()))
      return to_error(*why);
    return std::move(std::get<Out>(results.front()));
  }

  void settle(uint64_t number, typename runner::finished done) {
    auto& [items, outcome, took, lane, dropped] = done;
    if (dropped)
      return number < first_slice ? queue_->not_run(number) : drop_slice(number, outcome);
    policy_.served(items, took);
    stats_->served(items, took, lane);
    if (number >= first_slice)
      return settle_slice(number, std::move(outcome));
    if (auto* why = std::get_if<failure>(&outcome); !why)
      queue_->finish(number, std::get<0>(std::move(outcome)), out_);
    else if (blames_items(*why))
      queue_->fail(number, std::move(*why), out_);
    else
      queue_->finish(number, std::vector<result>(items, *why), out_);
    answer_all();
  }

  /// What there was no room or time for says nothing about the items: halves would fare no better.
  static bool blames_items(const failure& why) {
    return why.code != ec::overloaded && why.code != ec::timeout && why.code != ec::unavailable;
  }

  void settle_slice(uint64_t number, std::variant<std::vector<result>, failure> outcome) {
    auto node = slices_.extract(number);
    auto [x, from] = std::move(node.mapped());
    auto to = std::min(x->size(), from + slice);
    auto* results = std::get_if<std::vector<result>>(&outcome);
    if (!results || results->size() != to - from)
      return one_by_one(x, from, to); // the queue finds which of them is the bad one
    for (size_t i = 0; i < results->size(); ++i)
      x->put(from + i, std::move((*results)[i]));
    end(*x);
  }

  void drop_slice(uint64_t number, const std::variant<std::vector<result>, failure>& outcome) {
    auto [x, from] = std::move(slices_.extract(number).mapped());
    auto to = std::min(x->size(), from + slice);
    for (size_t i = from; i < to; ++i)
      x->put(i, std::get<failure>(outcome));
    end(*x);
  }

  void one_by_one(const std::shared_ptr<array>& x, size_t from, size_t to) {
    for (auto i = from; i < to; ++i)
      submit(x->ctx(), (*x)[i], waiter{{}, x, i});
    if (from < to)
      announce();
  }

  void flush() {
    stats_->queued(queue_->counts(), queue_->waiting());
    stats_->routed(runner_.profile().lane(), runner_.profile().waiting());
  }

  static constexpr uint64_t first_slice = uint64_t{1} << 63;

  Self self_ = nullptr;
  std::shared_ptr<const op> what_;
  std::shared_ptr<batch_stats> stats_;
  std::unique_ptr<queue> queue_;
  batch_policy policy_;
  runner runner_;
  std::unordered_map<uint64_t, waiter> waiting_;
  std::unique_ptr<priority_queue<std::shared_ptr<array>>> arrays_;
  std::unordered_map<uint64_t, slice_run> slices_;
  uint64_t next_slice_ = first_slice;
  size_t array_items_ = 0;
  typename queue::answers out_;
  context latest_;
  bool announced_ = false;
  bool armed_ = false;
};

} // namespace sotto
