#pragma once

#include <functional>
#include <memory>
#include <string>

#include <prometheus/gauge.h>

#include "messages/cluster.hpp"
#include "runtime/base_actor.hpp"
#include "runtime/child_process.hpp"

namespace sotto {

/// What DEATH WATCH works with.
struct death_watch_parts {
  /// Starts the child.
  std::function<caf::expected<std::shared_ptr<child_process>>(child_events events)> start;
  /// What the child is told first: whose death it waits for, and what to do then.
  std::string order;
};

/// DEATH WATCH's state: one child at a time; one that ends is followed by another, after a pause
/// that grows while they do not live long. Without a child the node's lease runs out as ever.
class death_watch_state {
public:
  static inline const char* name = "death_watch";

  using self_pointer = actor_of<death_watch_actor, death_watch_state>*;

  ~death_watch_state();

  void init(self_pointer self, death_watch_parts parts);
  void ended(const std::string& how);
  void start();

private:
  void later(const std::string& why);

  self_pointer self_ = nullptr;
  death_watch_parts parts_;
  prometheus::Gauge* watched_ = nullptr;
  std::shared_ptr<child_process> child_;
  int64_t started_ = 0;
  uint32_t failures_ = 0;
};

death_watch_actor::behavior_type death_watch(actor_of<death_watch_actor, death_watch_state>* self,
                                             death_watch_parts parts);

} // namespace sotto
