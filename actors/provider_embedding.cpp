#include "actors/provider_embedding.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

#include "actors/openai_embeddings.hpp"
#include "actors/openai_upstream.hpp"

namespace sotto {

namespace {

constexpr size_t largest_answer = 64 << 20;
constexpr int64_t first_pause = 200'000'000, longest_pause = 5'000'000'000;
constexpr int64_t second = 1'000'000'000;
constexpr uint32_t breaker_failures = 5;

/// Sends what the reactor sees to the actor, in order.
http_events events_for(const provider_embedding_actor& to, uint64_t number) {
  using kind = upstream_event::kind;
  auto tell = [to, number](upstream_event x) {
    caf::anon_send<caf::message_priority::high>(to, context{}, atom::request_v, number,
                                                std::move(x));
  };
  auto of = [](kind what) {
    upstream_event x;
    x.what = what;
    return x;
  };
  return {[=](const http_head& head) {
            auto x = of(kind::head);
            x.head = head;
            tell(std::move(x));
          },
          [=](std::string_view piece) {
            auto x = of(kind::piece);
            x.piece = piece;
            tell(std::move(x));
          },
          [=] { tell(of(kind::end)); },
          [=](const failure& why) {
            auto x = of(kind::error);
            x.why = why;
            tell(std::move(x));
          }};
}

/// Longest wait for the cache that nodes share; it bounds its own steps.
constexpr caf::timespan shared_patience = std::chrono::milliseconds{500};

/// Of a tenant's text under an embedder, in the cache that nodes share. The tenant stands in it
/// whole: a text made to have another's hash stays within its tenant.
std::string shared_key(const embedding_options& with, const asked_text& what) {
  auto space = with.space();
  auto of_space = XXH3_64bits(space.data(), space.size());
  auto of_text = XXH3_128bits_withSeed(what.text.data(), what.text.size(), of_space);
  return fmt::format("vector:{:016x}:{:016x}:{:016x}{:016x}", of_space, what.tenant, of_text.high64,
                     of_text.low64);
}

/// As little-endian floats, like every machine this runs on has them.
std::string bytes_of(const std::vector<float>& x) {
  return {reinterpret_cast<const char*>(x.data()), x.size() * sizeof(float)};
}

/// Nothing where it is no vector of as many dimensions (0: any), or not of unit length, as all that
/// is kept: what was cut or damaged is not.
std::vector<float> read_vector(const std::string& bytes, size_t dimensions) {
  std::vector<float> x(bytes.size() / sizeof(float));
  if (x.empty() || bytes.size() % sizeof(float) != 0 || (dimensions != 0 && x.size() != dimensions))
    return {};
  std::memcpy(x.data(), bytes.data(), bytes.size());
  constexpr double rounding = 1e-3;
  double square = 0;
  for (double y : x)
    square += y * y;
  return std::abs(square - 1) < rounding ? x : std::vector<float>{};
}

bool passes(unsigned status) {
  return status == 408 || status == 429 || status >= 500;
}

} // namespace

std::string vector_cache::key_of(const asked_text& what) {
  auto hash = XXH3_128bits(what.text.data(), what.text.size());
  std::string key{reinterpret_cast<const char*>(&what.tenant), sizeof what.tenant};
  return key.append(reinterpret_cast<const char*>(&hash), sizeof hash);
}

const std::vector<float>* vector_cache::find(const asked_text& what) {
  auto& by_key = items_.get<1>();
  auto at = by_key.find(key_of(what));
  if (at == by_key.end())
    return nullptr;
  items_.relocate(items_.begin(), items_.project<0>(at));
  return &at->vector;
}

void vector_cache::add(const asked_text& what, std::vector<float> vector) {
  if (most_ == 0)
    return;
  items_.push_front({key_of(what), std::move(vector)});
  if (items_.size() > most_)
    items_.pop_back();
}

provider_embedding_state::~provider_embedding_state() {
  for (auto& [number, x] : calls_) {
    if (x.link)
      x.link->cancel();
    x.job->refuse({ec::unavailable, "the node is stopping", {}});
  }
}

void provider_embedding_state::init(self_pointer self, embedding_options options,
                                    link_function connect, shared_cache_actor shared) {
  self_ = self;
  shared_ = std::move(shared);
  options_ = std::move(options);
  connect_ = std::move(connect);
  cache_ = std::make_unique<vector_cache>(options_.cache);
  breaker_ = std::make_unique<circuit_breaker>(breaker_failures, second, 60 * second);
  jitter_ = splitmix{self->services().next_id()};
  dimensions_ = options_.dimensions;
  auto counter = [&](const char* name, const char* help) {
    return &prometheus::BuildCounter()
                .Name(name)
                .Help(help)
                .Register(self->services().metrics)
                .Add({});
  };
  hits_ = counter("sotto_embedding_cache_hits_total", "Texts whose vector was in the cache");
  misses_ = counter("sotto_embedding_cache_misses_total", "Texts that the provider was asked for");
  posts_ = counter("sotto_embedding_calls_total", "Calls to the embedding provider");
  failures_ = counter("sotto_embedding_failures_total", "Calls that failed, each attempt");
}

void provider_embedding_state::run(embedding_operation::run job) {
  auto number = next_++;
  auto& x = calls_[number];
  x.job = std::move(job);
  x.results.resize(x.job->items.size());
  for (size_t i = 0; i < x.job->items.size(); ++i) {
    asked_text what{x.job->items[i], x.job->tenants[i]};
    if (auto* known = cache_->find(what)) {
      x.results[i].emplace<0>(*known);
      continue;
    }
    x.texts.push_back(std::move(what));
    x.places.push_back(i);
  }
  hits_->Increment(static_cast<double>(x.job->items.size() - x.texts.size()));
  misses_->Increment(static_cast<double>(x.texts.size()));
  if (x.texts.empty())
    finish(number, std::vector<std::vector<float>>{});
  else if (shared_)
    ask_shared(number);
  else
    post(number, x);
}

void provider_embedding_state::ask_shared(uint64_t number) {
  std::vector<std::string> keys;
  for (auto& what : calls_.at(number).texts)
    keys.push_back(shared_key(options_, what));
  context ctx;
  ctx.deadline = self_->nanos() + shared_patience.count();
  self_->request(shared_, shared_patience, ctx, atom::load_v, std::move(keys))
      .then([this, number](const std::vector<std::string>& values) { found(number, values); },
            [this, number](const caf::error&) { found(number, {}); });
}

void provider_embedding_state::found(uint64_t number, const std::vector<std::string>& values) {
  auto& x = calls_.at(number);
  std::vector<asked_text> texts;
  std::vector<size_t> places;
  for (size_t i = 0; i < x.texts.size(); ++i) {
    auto vector = i < values.size() ? read_vector(values[i], dimensions_) : std::vector<float>{};
    if (vector.empty()) {
      texts.push_back(std::move(x.texts[i]));
      places.push_back(x.places[i]);
      continue;
    }
    dimensions_ = vector.size();
    cache_->add(x.texts[i], vector);
    x.results[x.places[i]].emplace<0>(std::move(vector));
  }
  x.texts = std::move(texts);
  x.places = std::move(places);
  if (x.texts.empty())
    finish(number, std::vector<std::vector<float>>{});
  else
    post(number, x);
}

void provider_embedding_state::post(uint64_t number, call& x) {
  if (!breaker_->allows(self_->nanos()))
    return finish(number, failure{ec::unavailable,
                                  "embedding: the provider failed too often and is left alone for "
                                  "a while",
                                  {}});
  ++x.attempts;
  posts_->Increment();
  auto to = options_.link();
  auto authorization = authorization_of(to);
  if (!authorization) {
    breaker_->nothing();
    auto why = to_failure(authorization.error());
    why.code = ec::unavailable;
    return finish(number, std::move(why));
  }
  if (idle_.empty()) {
    auto made = connect_();
    if (!made)
      return failed(number, to_failure(made.error()), true);
    x.link = std::move(*made);
  } else {
    x.link = std::move(idle_.back());
    idle_.pop_back();
  }
  x.body.clear();
  http_post what;
  what.path = "/embeddings";
  std::vector<std::string> texts;
  for (auto& one : x.texts)
    texts.push_back(one.text);
  what.body = embeddings_body(texts, options_.model, options_.dimensions);
  what.authorization = std::move(*authorization);
  what.connect_timeout = std::min(to.connect_timeout, options_.timeout);
  what.header_timeout = what.idle_timeout = options_.timeout;
  x.link->post(std::move(what), events_for(provider_embedding_actor{self_}, number));
}

void provider_embedding_state::event(uint64_t number, upstream_event e) {
  auto at = calls_.find(number);
  if (at == calls_.end() || !at->second.link)
    return;
  auto& x = at->second;
  switch (e.what) {
  case upstream_event::kind::head:
    x.head = std::move(e.head);
    break;
  case upstream_event::kind::piece:
    x.body += e.piece;
    if (x.body.size() > largest_answer) {
      x.link->cancel();
      failed(number, {ec::upstream_failed, "embedding: the answer is too large", {}}, false);
    }
    break;
  case upstream_event::kind::end:
    ended(number);
    break;
  case upstream_event::kind::error:
    e.why.message = "embedding: " + e.why.message;
    failed(number, std::move(e.why), true);
    break;
  }
}

void provider_embedding_state::ended(uint64_t number) {
  auto& x = calls_.at(number);
  idle_.push_back(std::exchange(x.link, nullptr));
  if (x.head.status != 200) {
    auto why = read_refusal(x.head.status, x.head.retry_after, x.body, options_.link());
    why.param.clear(); // seconds to wait, for the scheduler of models
    return failed(number, std::move(why), passes(x.head.status), x.head.retry_after * second);
  }
  auto outcome = read_embeddings_answer(x.body, x.texts.size(), dimensions_);
  if (auto* why = std::get_if<failure>(&outcome))
    return failed(number, std::move(*why), false);
  breaker_->success();
  finish(number, std::move(outcome));
}

void provider_embedding_state::failed(uint64_t number, failure why, bool may_pass,
                                      int64_t at_least) {
  auto& x = calls_.at(number);
  x.link.reset();
  failures_->Increment();
  if (!may_pass) {
    breaker_->success(); // it answers; what is wrong is the texts, or what it says
    return finish(number, std::move(why));
  }
  breaker_->failure(self_->nanos(), at_least);
  if (x.attempts > options_.retries) {
    why.code = ec::unavailable;
    return finish(number, std::move(why));
  }
  auto pause = std::min(first_pause << std::min(x.attempts - 1, 8U), longest_pause);
  pause = std::max(pause / 2 + static_cast<int64_t>(jitter_() % static_cast<uint64_t>(pause)),
                   at_least);
  self_->delayed_send<caf::message_priority::high>(self_, caf::timespan{pause}, context{},
                                                   atom::tick_v, number);
}

void provider_embedding_state::again(uint64_t number) {
  auto at = calls_.find(number);
  if (at == calls_.end() || at->second.link)
    return;
  if (at->second.job->unwanted(self_->nanos()))
    finish(number, failure{ec::unavailable,
                           "embedding: the provider failed until nobody waited any more",
                           {}});
  else
    post(number, at->second);
}

void provider_embedding_state::finish(uint64_t number,
                                      std::variant<std::vector<std::vector<float>>, failure> got) {
  auto x = std::move(calls_.extract(number).mapped());
  if (auto* why = std::get_if<failure>(&got))
    return x.job->refuse(std::move(*why));
  auto& vectors = std::get<0>(got);
  std::vector<std::string> keys, values;
  for (size_t i = 0; shared_ && i < vectors.size(); ++i) {
    keys.push_back(shared_key(options_, x.texts[i]));
    values.push_back(bytes_of(vectors[i]));
  }
  if (!keys.empty())
    self_->send(shared_, context{}, atom::write_v, std::move(keys), std::move(values));
  for (size_t i = 0; i < vectors.size(); ++i) {
    dimensions_ = vectors[i].size();
    cache_->add(x.texts[i], vectors[i]);
    x.results[x.places[i]].emplace<0>(std::move(vectors[i]));
  }
  x.job->outcome = std::move(x.results);
  x.job->done();
}

provider_embedding_actor::behavior_type
provider_embedding(actor_of<provider_embedding_actor, provider_embedding_state>* self,
                   embedding_options options, link_function connect, shared_cache_actor shared) {
  auto& state = self->state;
  state.init(self, std::move(options), std::move(connect), std::move(shared));
  return {
      [&state](const context&, atom::run, started_batch& x) {
        state.run(std::static_pointer_cast<embedding_operation::run::element_type>(x.what));
      },
      [&state](const context&, atom::request, uint64_t number, upstream_event& x) {
        state.event(number, std::move(x));
      },
      [&state](const context&, atom::tick, uint64_t number) { state.again(number); },
  };
}

embedding_operation embedding_work(const embedding_options& options,
                                   provider_embedding_actor provider) {
  embedding_operation what;
  what.name = "embedding";
  what.keys.equality = [](const std::string& text) { return text; };
  what.limits.max_items = options.max_batch;
  what.max_running = options.max_in_flight;
  what.start = [provider = std::move(provider)](embedding_operation::run job) {
    auto ctx = job->ctx;
    caf::anon_send(provider, ctx, atom::run_v, started_batch{std::move(job)});
  };
  return what;
}

} // namespace sotto
