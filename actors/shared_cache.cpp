#include "actors/shared_cache.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace sotto {

void shared_cache_state::init(self_pointer self, cache_options with, redis_address to) {
  self_ = self;
  with_ = std::move(with);
  redis_ = std::make_unique<redis_client>(std::move(to), with_.timeout);
  auto counter = [&](const char* name, const char* help) {
    return &prometheus::BuildCounter()
                .Name(name)
                .Help(help)
                .Register(self->services().metrics)
                .Add({});
  };
  hits_ = counter("sotto_shared_cache_hits_total", "Values that the shared cache had");
  misses_ = counter("sotto_shared_cache_misses_total", "Values that it did not have");
  failures_ = counter("sotto_shared_cache_failures_total", "Calls that failed");
}

bool shared_cache_state::away() const {
  return self_->nanos() < again_;
}

void shared_cache_state::failed(const failure& why) {
  failures_->Increment();
  again_ = self_->nanos() + with_.pause.count();
  if (!std::exchange(down_, true))
    spdlog::warn("the shared cache is not used until it answers again: {}", why.message);
}

void shared_cache_state::prefixed(std::vector<std::string>& keys) const {
  for (auto& x : keys)
    x.insert(0, with_.prefix);
}

std::vector<std::string> shared_cache_state::load(std::vector<std::string> keys) {
  std::vector<std::string> none(keys.size());
  if (away())
    return none;
  prefixed(keys);
  auto values = redis_->load(keys);
  if (!values) {
    failed(to_failure(values.error()));
    return none;
  }
  if (std::exchange(down_, false))
    spdlog::info("the shared cache is used again");
  auto found = std::count_if(values->begin(), values->end(), [](auto& x) { return !x.empty(); });
  hits_->Increment(static_cast<double>(found));
  misses_->Increment(static_cast<double>(values->size() - static_cast<size_t>(found)));
  return std::move(*values);
}

void shared_cache_state::keep(std::vector<std::string> keys,
                              const std::vector<std::string>& values) {
  if (away() || keys.empty())
    return;
  prefixed(keys);
  if (auto why = redis_->keep(keys, values, with_.ttl))
    failed(why);
}

shared_cache_actor::behavior_type
shared_cache(actor_of<shared_cache_actor, shared_cache_state>* self, cache_options with,
             redis_address to) {
  auto& state = self->state;
  state.init(self, std::move(with), std::move(to));
  return {
      [&state](const context&, atom::load, std::vector<std::string>& keys) {
        return state.load(std::move(keys));
      },
      [&state](const context&, atom::write, std::vector<std::string>& keys,
               const std::vector<std::string>& values) { state.keep(std::move(keys), values); },
  };
}

} // namespace sotto
