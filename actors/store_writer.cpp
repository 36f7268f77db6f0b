#include "actors/store_writer.hpp"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include "runtime/prompt_thread.hpp"

namespace sotto {

namespace {

size_t size_of(const store_write& x) {
  size_t result = 64;
  for (auto& m : x.memories)
    result += 64 + m.id.size() + m.text.size() + m.speaker.size() + m.conversation.size()
              + m.metadata.size();
  for (auto& v : x.vectors)
    result += v.size() * sizeof(float);
  return result;
}

prometheus::Counter* counter(prometheus::Registry& to, const char* name, const char* help) {
  return &prometheus::BuildCounter().Name(name).Help(help).Register(to).Add({});
}

prometheus::Histogram* histogram(prometheus::Registry& to, const char* name, const char* help,
                                 prometheus::Histogram::BucketBoundaries bounds) {
  return &prometheus::BuildHistogram().Name(name).Help(help).Register(to).Add({},
                                                                              std::move(bounds));
}

} // namespace

store_writer_state::~store_writer_state() {
  for (auto& x : members_)
    caf::anon_send<caf::message_priority::high>(
        x.client, x.ctx, atom::committed_v, x.ticket,
        failure{ec::unavailable, "the store's writer stopped before this was stored", {}});
}

void store_writer_state::init(self_pointer self, store_writer_options options,
                              std::shared_ptr<store> to) {
  self_ = self;
  options_ = options;
  store_ = std::move(to);
  auto& metrics = self->services().metrics;
  commits_ = counter(metrics, "sotto_store_commits_total", "Transactions tried");
  writes_ = counter(metrics, "sotto_store_writes_total", "Writes made durable");
  failures_ = counter(metrics, "sotto_store_failures_total", "Writes that were not stored");
  batch_sizes_ = histogram(metrics, "sotto_store_batch_writes", "Writes in one transaction",
                           {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000});
  commit_seconds_ =
      histogram(metrics, "sotto_store_commit_seconds", "Time of one transaction",
                {0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5});
  self->set_exit_handler([this](caf::exit_msg& x) {
    commit();
    self_->quit(std::move(x.reason));
  });
}

void store_writer_state::write(const context& ctx, store_client_actor client, uint64_t ticket,
                               store_write x) {
  auto bytes = size_of(x);
  if (bytes_ + bytes > options_.max_bytes)
    commit();
  batch_.push_back(std::move(x));
  members_.push_back({ctx, std::move(client), ticket});
  bytes_ += bytes;
  if (batch_.size() >= options_.max_writes || bytes_ >= options_.max_bytes)
    commit();
  else
    announce();
}

caf::typed_response_promise<atom::drained> store_writer_state::drain(const context& ctx) {
  auto number = next_drain_++;
  auto& x = drains_[number];
  x.ctx = ctx;
  x.promise = self_->make_response_promise<atom::drained>();
  if (self_->backlog() > 0)
    for (size_t i = 0; i < priority_levels; ++i)
      queue_drain(number, static_cast<priority>(i));
  announce();
  return x.promise;
}

void store_writer_state::queue_drain(uint64_t number, priority level) {
  auto& x = drains_.at(number);
  ++x.left;
  auto ctx = self_->child(x.ctx);
  ctx.level = level;
  ctx.deadline = 0;
  self_->request(committing_actor{self_}, caf::infinite, ctx, atom::drain_v, number)
      .then([](atom::drained) {},
            [this, number, level](const caf::error&) {
              drains_.at(number).refused.push_back(level);
              announce();
            });
}

atom::drained store_writer_state::passed(uint64_t number) {
  if (--drains_.at(number).left == 0)
    announce();
  return atom::drained_v;
}

void store_writer_state::flush() {
  announced_ = false;
  commit();
  std::vector<uint64_t> over;
  for (auto& [number, x] : drains_) {
    x.left -= x.refused.size();
    for (auto level : std::exchange(x.refused, {}))
      queue_drain(number, level);
    if (x.left == 0)
      over.push_back(number);
  }
  for (auto number : over)
    drains_.extract(number).mapped().promise.deliver(atom::drained_v);
}

void store_writer_state::announce() {
  if (announced_)
    return;
  announced_ = true;
  self_->send(self_, atom::tick_v);
}

void store_writer_state::commit() {
  if (batch_.empty())
    return;
  if (!std::exchange(prompt_, true))
    make_thread_prompt(); // here, as its thread is not the one that spawned it
  auto start = self_->nanos();
  auto results = store_->apply(batch_);
  commit_seconds_->Observe(static_cast<double>(self_->nanos() - start) * 1e-9);
  commits_->Increment();
  batch_sizes_->Observe(static_cast<double>(batch_.size()));
  size_t failed = 0;
  for (size_t i = 0; i < members_.size(); ++i) {
    auto& x = members_[i];
    failed += results[i] ? 1 : 0;
    self_->send<caf::message_priority::high>(x.client, self_->child(x.ctx), atom::committed_v,
                                             x.ticket, std::move(results[i]));
  }
  writes_->Increment(static_cast<double>(members_.size() - failed));
  failures_->Increment(static_cast<double>(failed));
  batch_.clear();
  members_.clear();
  bytes_ = 0;
}

committing_actor::behavior_type store_writer(actor_of<committing_actor, store_writer_state>* self,
                                             store_writer_options options,
                                             std::shared_ptr<store> to) {
  auto& state = self->state;
  state.init(self, options, std::move(to));
  return {
      [&state](const context& ctx, atom::write, store_client_actor& client, uint64_t ticket,
               store_write& x) { state.write(ctx, std::move(client), ticket, std::move(x)); },
      [&state](const context& ctx, atom::drain) { return state.drain(ctx); },
      [&state](atom::tick) { state.flush(); },
      [&state](const context&, atom::drain, uint64_t number) { return state.passed(number); },
  };
}

} // namespace sotto
