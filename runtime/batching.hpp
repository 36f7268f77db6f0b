#pragma once

#include <string>
#include <vector>

#include <caf/replies_to.hpp>

#include "messages/atoms.hpp"
#include "messages/context.hpp"

namespace sotto {

/// What every batcher hears besides the requests of its operation.
///
/// `Handle` is the interface of the operation; a batcher's own is `batching<Handle>`, and converts
/// to it.
template <class Handle>
using batching = typename Handle::template extend<
    // Control: the batch of this number is done.
    caf::reacts_to<context, atom::completed, uint64_t>,
    // Own timer: the window is over.
    caf::reacts_to<context, atom::tick>,
    // To itself, behind whatever waits by now: run what was gathered.
    caf::reacts_to<atom::tick>>;

/// The handlers of a batcher's behaviour; `work` is its `batcher`.
template <class Verb, class In = std::string, class Work>
auto one_item(Work& work) {
  return [&work](const context& ctx, Verb, In& x) { return work.ask(ctx, std::move(x)); };
}

template <class Verb, class In = std::string, class Work>
auto many_items(Work& work) {
  return [&work](const context& ctx, Verb, std::vector<In>& xs) {
    return work.ask_all(ctx, std::move(xs));
  };
}

template <class Verb, class In = std::string, class Work>
auto written_items(Work& work) {
  return [&work](const context& ctx, Verb, std::vector<In>& xs) {
    return work.ask_written(ctx, std::move(xs));
  };
}

template <class Work>
auto batch_done(Work& work) {
  return [&work](const context&, atom::completed, uint64_t number) { work.completed(number); };
}

template <class Work>
auto window_over(Work& work) {
  return [&work](const context&, atom::tick) { work.window_over(); };
}

template <class Work>
auto gathered(Work& work) {
  return [&work](atom::tick) { work.gathered(); };
}

} // namespace sotto
