#pragma once

#include <memory>
#include <unordered_map>

#include "config/store_options.hpp"
#include "runtime/base_actor.hpp"
#include "runtime/store.hpp"

namespace prometheus {
class Counter;
class Histogram;
} // namespace prometheus

namespace sotto {

/// STORE WRITER with its messages to itself.
using committing_actor = store_writer_actor::extend<
    // Commit what was gathered. It has no context, because it has many causes and must stay behind
    // all that waits, whatever its level.
    caf::reacts_to<atom::tick>,
    // What was sent before it, at its level, has been gathered; the number is of a drain.
    caf::replies_to<context, atom::drain, uint64_t>::with<atom::drained>>;

/// STORE WRITER's state: gathers what waits and commits it in one transaction.
///
/// A first write is committed as soon as the mailbox has been emptied, with no delay; what arrives
/// meanwhile is the next batch. So a batch grows with the load and the disk's time for an fsync.
class store_writer_state {
public:
  static inline const char* name = "store_writer";

  using self_pointer = actor_of<committing_actor, store_writer_state>*;

  /// Tells the clients of what was gathered and not committed that it is not stored.
  ~store_writer_state();

  void init(self_pointer self, store_writer_options options, std::shared_ptr<store> to);

  void write(const context& ctx, store_client_actor client, uint64_t ticket, store_write x);
  caf::typed_response_promise<atom::drained> drain(const context& ctx);
  /// On its messages to itself.
  void flush();
  atom::drained passed(uint64_t number);
  /// Commits what was gathered, now.
  void commit();

private:
  struct member {
    context ctx;
    store_client_actor client;
    uint64_t ticket;
  };

  /// Who waits until all that was sent before is committed. A drain overtakes what waits at other
  /// levels, and under load there is always something new: so it goes behind what waits at each
  /// level, and is over when it came back from all.
  struct pending_drain {
    context ctx;
    caf::typed_response_promise<atom::drained> promise;
    /// Levels that it has not come back from; those where there was no room to wait at.
    size_t left = 0;
    std::vector<priority> refused;
  };

  void queue_drain(uint64_t number, priority level);
  void announce();

  self_pointer self_ = nullptr;
  store_writer_options options_;
  std::shared_ptr<store> store_;
  /// What was gathered, and by the same index whom to tell.
  std::vector<store_write> batch_;
  std::vector<member> members_;
  size_t bytes_ = 0;
  /// Its thread was made so.
  bool prompt_ = false;
  /// The message to itself is under way.
  bool announced_ = false;
  std::unordered_map<uint64_t, pending_drain> drains_;
  uint64_t next_drain_ = 1;

  prometheus::Counter* commits_ = nullptr;
  prometheus::Counter* writes_ = nullptr;
  prometheus::Counter* failures_ = nullptr;
  prometheus::Histogram* batch_sizes_ = nullptr;
  prometheus::Histogram* commit_seconds_ = nullptr;
};

/// Spawn it detached: a commit blocks its thread. The store must be used by nobody else, but for
/// its views.
committing_actor::behavior_type store_writer(actor_of<committing_actor, store_writer_state>* self,
                                             store_writer_options options,
                                             std::shared_ptr<store> to);

} // namespace sotto
