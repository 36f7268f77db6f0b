#include "actors/store_reader.hpp"

#include <prometheus/histogram.h>
#include <spdlog/spdlog.h>

namespace sotto {

namespace {

// Loads go first this often; then the log has grown enough.
constexpr int most_put_off = 8;

} // namespace

void store_reader_state::init(self_pointer self, store_reader_options options,
                              std::shared_ptr<store_view> from, embed_function embed) {
  self_ = self;
  options_ = options;
  view_ = std::move(from);
  embed_ = std::move(embed);
  load_seconds_ = &prometheus::BuildHistogram()
                       .Name("sotto_store_load_seconds")
                       .Help("Time to load one owner, or 1,000 of their memories, with embeddings")
                       .Register(self->services().metrics)
                       .Add({}, prometheus::Histogram::BucketBoundaries{
                                    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5});
  if (options_.maintain_every.count() > 0)
    self_->delayed_send(self_, options_.maintain_every, atom::tick_v);
}

void store_reader_state::load(const context& ctx, const shard_actor& shard,
                              const owner_key& owner) {
  auto found = read(owner, 0);
  memory_write nothing;
  nothing.owner = owner;
  self_->send<caf::message_priority::high>(shard, self_->child(ctx), atom::loaded_v,
                                           found ? std::move(*found) : std::move(nothing),
                                           found ? failure{} : to_failure(found.error()));
}

caf::result<memory_write> store_reader_state::load_part(const owner_key& owner, uint64_t after) {
  auto found = read(owner, after);
  if (!found)
    return found.error();
  return std::move(*found);
}

caf::expected<memory_write> store_reader_state::read(const owner_key& owner, uint64_t after) {
  auto start = self_->nanos();
  auto result = view_->load_part(owner, after);
  if (result && embed_)
    for (size_t i = 0; i < result->memories.size(); ++i)
      if (result->vectors[i].empty())
        result->vectors[i] = embed_(result->memories[i].text);
  load_seconds_->Observe(static_cast<double>(self_->nanos() - start) * 1e-9);
  return result;
}

caf::result<std::vector<owner_vectors>> store_reader_state::owners(const owner_key& after,
                                                                   uint32_t limit) {
  auto found = view_->owners(after, limit);
  if (!found)
    return found.error();
  return std::move(*found);
}

caf::result<std::vector<spoken_lines>> store_reader_state::spoken(const spoken_by& what) {
  auto found = view_->spoken(what);
  if (!found)
    return found.error();
  return std::move(*found);
}

void store_reader_state::tick() {
  if (self_->backlog() > 0 && put_off_ < most_put_off)
    ++put_off_;
  else
    maintain();
  self_->delayed_send(self_, options_.maintain_every, atom::tick_v);
}

void store_reader_state::maintain() {
  put_off_ = 0;
  auto why = view_->maintain();
  if (why && !failing_)
    spdlog::error("store reader cannot move the log into the database: {}", why.message);
  failing_ = static_cast<bool>(why);
}

maintaining_actor::behavior_type store_reader(actor_of<maintaining_actor, store_reader_state>* self,
                                              store_reader_options options,
                                              std::shared_ptr<store_view> from,
                                              embed_function embed) {
  auto& state = self->state;
  state.init(self, options, std::move(from), std::move(embed));
  return {
      [&state](const context& ctx, atom::load, const shard_actor& shard, const owner_key& owner) {
        state.load(ctx, shard, owner);
      },
      [&state](const context&, atom::load, const owner_key& owner, uint64_t after) {
        return state.load_part(owner, after);
      },
      [&state](const context&, atom::list, const spoken_by& what) { return state.spoken(what); },
      [&state](const context&, atom::list, const owner_key& after, uint32_t limit) {
        return state.owners(after, limit);
      },
      [&state](atom::tick) { state.tick(); },
  };
}

} // namespace sotto
