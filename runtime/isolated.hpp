#pragma once

#include <deque>

#include <prometheus/counter.h>

#include "runtime/base_actor.hpp"
#include "runtime/child_process.hpp"
#include "runtime/operation.hpp"

namespace sotto {

/// ISOLATED's own interface: besides its jobs, what its process does, by the number of the process.
using isolated_host_actor =
    isolated_actor::extend<caf::reacts_to<context, atom::frame, uint64_t, std::string>,
                           caf::reacts_to<context, atom::failed, uint64_t, std::string>>;

struct isolated_settings {
  std::string operation;
  /// Starts the process.
  std::function<caf::expected<std::shared_ptr<child_process>>(child_events)> start;
  /// A batch that takes longer is killed with its process.
  caf::timespan timeout = std::chrono::seconds{10};
  /// Batches that wait at most.
  size_t max_waiting = 64;
};

/// ISOLATED's state. One batch at a time: if the process dies, it is known which batch it was; the
/// batcher runs its halves again, so that what kills a process fails alone. The process is started
/// by the first batch and again after it died: at once the first time, later after a pause that
/// doubles until a batch is served.
class isolated_state {
public:
  static inline const char* name = "isolated";

  using self_pointer = actor_of<isolated_host_actor, isolated_state>*;

  ~isolated_state();

  void init(self_pointer self, isolated_settings settings);
  void run(isolated_job job);
  void answered(uint64_t process, std::string frame);
  void exited(uint64_t process, const std::string& how);
  void tick();

private:
  void pump();
  void drop_unwanted();
  void start();
  void died(const std::string& how);
  void end_job(std::variant<std::string, failure> what);
  void arm(int64_t at);

  self_pointer self_ = nullptr;
  isolated_settings settings_;
  std::shared_ptr<child_process> process_;
  uint64_t number_ = 0;
  std::deque<isolated_job> waiting_;
  bool busy_ = false;
  bool too_slow_ = false;
  int64_t since_ = 0;
  /// No process before this time.
  int64_t not_before_ = 0;
  unsigned deaths_ = 0;
  /// When the earliest timer under way fires; 0: there is none.
  int64_t armed_for_ = 0;
  prometheus::Counter* starts_ = nullptr;
};

isolated_host_actor::behavior_type isolated(actor_of<isolated_host_actor, isolated_state>* self,
                                            isolated_settings settings);

} // namespace sotto
