#include "runtime/data_folder.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sotto {

namespace {

caf::error fail(const std::filesystem::path& path, std::string_view what) {
  return to_error({ec::storage_failed, fmt::format("{}: {}", path.string(), what), {}});
}

std::string holder(int descriptor) {
  char text[32] = {};
  auto count = pread(descriptor, text, sizeof(text) - 1, 0);
  auto pid = count > 0 ? std::atol(text) : 0;
  return pid > 0 ? fmt::format("process {}", pid) : "another process";
}

} // namespace

failure make_private_folder(const std::filesystem::path& path) {
  std::error_code err;
  if (path.has_parent_path())
    std::filesystem::create_directories(path.parent_path(), err);
  if (!err && mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    err = {errno, std::generic_category()};
  if (!err)
    return {};
  return {ec::storage_failed,
          fmt::format("{}: the data folder cannot be made: {}", path.string(), err.message()),
          {}};
}

caf::expected<std::unique_ptr<data_folder>> data_folder::open(const std::filesystem::path& path) {
  if (auto why = make_private_folder(path))
    return to_error(why);
  auto lock = path / "lock";
  auto descriptor = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return fail(lock, fmt::format("cannot be opened: {}; the data folder must be a folder that is "
                                  "writable by the node's user",
                                  std::strerror(errno)));
  auto result = std::make_unique<data_folder>(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(path, fmt::format("the data folder is in use by {}; end it or choose another "
                                    "folder with --data",
                                    holder(descriptor)));
    return fail(lock, fmt::format("cannot be locked: {}", std::strerror(errno)));
  }
  auto pid = fmt::format("{}\n", getpid());
  if (ftruncate(descriptor, 0) != 0
      || pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return fail(lock, fmt::format("cannot be written: {}", std::strerror(errno)));
  return result;
}

data_folder::~data_folder() {
  ::close(descriptor_);
}

} // namespace sotto
