#pragma once

#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "messages/actors.hpp"
#include "runtime/batch_audience.hpp"
#include "runtime/batch_policy.hpp"
#include "runtime/batch_queue.hpp"
#include "runtime/batch_stats.hpp"
#include "runtime/work_routing.hpp"

namespace sotto {

/// A batch of any operation.
struct any_batch {
  virtual ~any_batch() = default;
  /// Ends it unrun.
  virtual void refuse(failure why) = 0;
};

/// A batch for an actor that runs it; the actor knows of which operation. Stays within the process.
struct started_batch {
  std::shared_ptr<any_batch> what;
};

/// A batch on its way through another thread or process. Owned by whoever runs it and by its
/// batcher, which reads `outcome` after `done`.
template <class In, class Out>
struct batch_run final : any_batch {
  using result = std::variant<Out, failure>;

  context ctx;
  std::vector<In> items;
  /// Whose each item is (`context::tenant`): what is kept of one is for them alone.
  std::vector<uint64_t> tenants{};
  /// One result an item in order, or why the whole failed.
  std::variant<std::vector<result>, failure> outcome;
  work_lane lane = work_lane::here;
  /// Zero where it was not measured.
  work_sample took;
  /// To be called once, on any thread, when `outcome` is there.
  std::function<void()> done;
  batch_audience audience;
  /// It was not begun, as nobody waited for it by then.
  bool dropped = false;

  /// Whether nobody waits for any of it: what has not begun need not begin.
  bool unwanted(int64_t now) const { return audience.left(now); }

  void refuse(failure why) override {
    outcome = std::move(why);
    done();
  }
};

/// Anything with a batch form. What is set decides how it is run: `start` for what holds no thread
/// (calls to a provider), else `compute`.
template <class In, class Out>
struct operation {
  using result = std::variant<Out, failure>;
  using results = std::vector<result>;
  using run = std::shared_ptr<batch_run<In, Out>>;

  /// Of metrics and configuration.
  std::string name;
  batch_keys<In> keys{};
  batch_limits limits{};
  queue_limits queue{};
  /// A batch ends with the item that reaches this cost.
  double most_cost = 1e12;
  /// Batches under way at the same time, but for those run in the batcher itself.
  size_t max_running = 4;

  /// Runs a batch: one result an item, in order. Called on any thread, also by several at once. An
  /// exception is a failure of the whole: the batch is run again in halves, so that a bad item
  /// fails alone.
  std::function<results(std::span<const In* const>)> compute{};

  /// Starts a batch and returns at once.
  std::function<void(run)> start{};

  /// An array's results as clients read them, for an operation that is asked so.
  std::function<std::string(const std::vector<Out>&)> write{};

  /// The batch as bytes and its outcome back, for an operation that may run in a child process.
  std::function<std::string(const std::vector<In>&)> encode{};
  std::function<std::variant<results, failure>(std::string_view)> decode{};
};

/// One job for a child process: its bytes, and what becomes of them.
struct isolated_job {
  std::string frame;
  /// Called once, on any thread: the answer's bytes, or why there is none.
  std::function<void(std::variant<std::string, failure>)> done;
  /// As in `work_job`.
  std::function<bool(int64_t now)> unwanted{};
};

/// ISOLATED: runs one operation in a child process.
using isolated_actor = caf::typed_actor<caf::reacts_to<context, atom::run, isolated_job>,
                                        // Own timer: start the process again, watch its time.
                                        caf::reacts_to<context, atom::tick>>;

/// What the batchers of a node share: where they send what they do not run themselves, and where
/// they count. A pool that is not there leaves its operations in their batchers.
struct work_places {
  work_pool_actor pool;
  work_pool_actor detached;
  /// The child process of an operation; a function that is not set means there are none.
  std::function<isolated_actor(const std::string& operation)> isolate;
  /// Operations with a lane by configuration.
  std::unordered_map<std::string, work_lane> pins;
  std::shared_ptr<batch_metrics> metrics = std::make_shared<batch_metrics>();

  std::optional<work_lane> pinned(const std::string& operation) const {
    auto at = pins.find(operation);
    return at == pins.end() ? std::nullopt : std::optional{at->second};
  }
};

/// Runs `compute` and takes an exception for a failure of the whole.
template <class In, class Out>
std::variant<std::vector<std::variant<Out, failure>>, failure>
guarded(const operation<In, Out>& what, std::span<const In* const> items) {
  try {
    return what.compute(items);
  } catch (const std::exception& why) {
    return failure{ec::internal, what.name + " failed: " + why.what(), {}};
  }
}

} // namespace sotto

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::isolated_job)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::started_batch)
