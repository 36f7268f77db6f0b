#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "runtime/base_actor.hpp"

namespace sotto {

/// Files, and what to do when any of them is another than before.
class watched_files {
public:
  /// Remembers them as they are now: make it before reading them.
  watched_files(std::vector<std::filesystem::path> files, std::function<void()> changed);

  /// Looks, and calls `changed` if any changed since the last look.
  void look();

private:
  /// Told apart by place on the disk, size and time of change; all zero: there is none.
  struct stamp {
    uint64_t inode = 0, size = 0;
    int64_t seconds = 0, nanos = 0;
    friend bool operator==(const stamp&, const stamp&) = default;
  };
  std::vector<stamp> stamps() const;

  std::vector<std::filesystem::path> files_;
  std::function<void()> changed_;
  std::vector<stamp> seen_;
};

/// FILE WATCHER: looks at files at fixed times, on a thread of its own. Started by the node.
using file_watcher_actor = caf::typed_actor<
    // Own timer.
    caf::reacts_to<context, atom::tick>>;

struct file_watcher_state {
  static inline const char* name = "file_watcher";
  std::vector<watched_files> files;
};

/// Spawn it detached. `each_time` is called after every look.
file_watcher_actor::behavior_type
file_watcher(actor_of<file_watcher_actor, file_watcher_state>* self,
             std::vector<watched_files> files, caf::timespan every,
             std::function<void()> each_time);

} // namespace sotto
