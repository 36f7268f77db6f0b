#include "nodes/file_watcher.hpp"

#include <sys/stat.h>

namespace sotto {

watched_files::watched_files(std::vector<std::filesystem::path> files,
                             std::function<void()> changed)
    : files_(std::move(files)), changed_(std::move(changed)), seen_(stamps()) {}

std::vector<watched_files::stamp> watched_files::stamps() const {
  std::vector<stamp> out;
  for (auto& file : files_) {
    struct stat x {};
    out.push_back(::stat(file.c_str(), &x) == 0 ? stamp{x.st_ino, static_cast<uint64_t>(x.st_size),
                                                        x.st_mtim.tv_sec, x.st_mtim.tv_nsec}
                                                : stamp{});
  }
  return out;
}

void watched_files::look() {
  auto now = stamps();
  if (now == seen_)
    return;
  seen_ = std::move(now);
  changed_();
}

file_watcher_actor::behavior_type
file_watcher(actor_of<file_watcher_actor, file_watcher_state>* self,
             std::vector<watched_files> files, caf::timespan every,
             std::function<void()> each_time) {
  self->state.files = std::move(files);
  self->delayed_send<caf::message_priority::high>(self, every, context{}, atom::tick_v);
  return {
      [self, every, each_time = std::move(each_time)](const context&, atom::tick) {
        for (auto& x : self->state.files)
          x.look();
        each_time();
        self->delayed_send<caf::message_priority::high>(self, every, context{}, atom::tick_v);
      },
  };
}

} // namespace sotto
