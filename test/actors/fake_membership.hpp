#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "messages/cluster.hpp"

namespace sotto::test {

/// What MEMBERSHIP was told.
struct membership_world {
  std::vector<std::pair<uint32_t, uint64_t>> flushed;
  std::vector<std::string> suspects;
};

inline membership_actor::behavior_type fake_membership(membership_actor::pointer,
                                                       std::shared_ptr<membership_world> w) {
  return {
      [=](const context&, atom::flushed, uint32_t number, uint64_t epoch) {
        w->flushed.emplace_back(number, epoch);
      },
      [=](const context&, atom::suspect, const std::string& node) { w->suspects.push_back(node); },
      [](const context&, atom::measured, const cluster_load&) {},
      [](const context&, atom::drain, const std::string&) { return drain_progress{}; },
      [](const context&, atom::resumed, const std::string&) { return drain_progress{}; },
      [](const context&, atom::rebalance) { return cluster_view{}; },
      [](const context&, atom::list) { return cluster_view{}; },
      [](const context&, atom::leave) { return atom::drained_v; },
      [](const context&, atom::changed) {},
      [](const context&, atom::tick) {},
  };
}

} // namespace sotto::test
