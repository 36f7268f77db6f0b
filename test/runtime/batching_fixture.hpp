#pragma once

#include "runtime/batcher.hpp"

#include "runtime/batching.hpp"

#include "test/fixture.hpp"

namespace sotto::test {

using vector = std::vector<float>;
using text_op = operation<std::string, vector>;

struct batching_test_state {
  static inline const char* name = "batcher";
  using actor = actor_of<batching<embedding_actor>, batching_test_state>;

  batcher<actor*, batching<embedding_actor>, std::string, vector> work;
};

inline batching<embedding_actor>::behavior_type
test_batcher(batching_test_state::actor* self, text_op what,
             std::shared_ptr<const work_places> places) {
  auto& work = self->state.work;
  work.init(self, std::move(what), std::move(places));
  return {one_item<atom::embed>(work), many_items<atom::embed>(work), batch_done(work),
          window_over(work), gathered(work)};
}

/// Outlives the system: what is still under way at the end is answered then.
struct answers_of_test {
  std::vector<std::optional<caf::expected<vector>>> answers;
};

/// Measures texts. "poison" throws, and takes its batch with it.
struct measuring : answers_of_test, frozen_system {
  text_op what() {
    text_op x;
    x.name = "length";
    x.keys.equality = [](const std::string& text) { return text; };
    x.compute = [this](std::span<const std::string* const> items) {
      ++calls;
      sizes.push_back(items.size());
      text_op::results results;
      for (auto* text : items) {
        if (*text == "poison")
          throw std::runtime_error("it is bitter");
        if (*text == "bad")
          results.emplace_back(failure{ec::invalid, "bad by itself", {}});
        else
          results.emplace_back(vector{static_cast<float>(text->size())});
      }
      return results;
    };
    return x;
  }

  embedding_actor start(text_op x) { return spawn(test_batcher, std::move(x), places); }

  using answer = caf::expected<vector>;

  /// Asks without running: the answers come in with `run`.
  void request(const embedding_actor& to, std::string text, context ctx) {
    auto place = answers.size();
    answers.emplace_back();
    auto asker = system->spawn([=, this](caf::event_based_actor* me) {
      me->request(to, caf::infinite, ctx, atom::embed_v, text)
          .then([=, this](vector& x) { answers[place] = answer{std::move(x)}; },
                [=, this](caf::error& why) { answers[place] = answer{std::move(why)}; });
    });
  }

  ec code(size_t place) {
    auto& x = answers.at(place);
    if (!x)
      return ec::timeout; // no answer at all
    return *x ? ec::none : to_failure(x->error()).code;
  }

  std::shared_ptr<work_places> places = std::make_shared<work_places>();
  size_t calls = 0;
  std::vector<size_t> sizes;
};

inline double metric(const work_places& places, const std::string& name,
                     const std::string& label = {}) {
  double sum = 0;
  for (auto& family : places.metrics->Collect())
    for (auto& x : family.metric)
      if (family.name == name
          && (label.empty() || std::any_of(x.label.begin(), x.label.end(), [&](auto& y) {
                return y.value == label;
              })))
        sum += family.type == prometheus::MetricType::Gauge ? x.gauge.value : x.counter.value;
  return sum;
}

} // namespace sotto::test
