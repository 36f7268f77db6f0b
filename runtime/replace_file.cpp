#include "runtime/replace_file.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sotto {

namespace {

namespace fs = std::filesystem;

/// A descriptor that is closed at the end of its scope.
struct descriptor {
  explicit descriptor(int x) : value(x) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (value >= 0)
      ::close(value);
  }
  int value;
};

failure fail(const fs::path& path, const char* what) {
  return {ec::storage_failed,
          fmt::format("{}: cannot be {}: {}", path.string(), what, std::strerror(errno)),
          {}};
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path{"."};
}

bool write_all(int to, std::string_view content) {
  while (!content.empty()) {
    auto count = ::write(to, content.data(), content.size());
    if (count < 0 && errno != EINTR)
      return false;
    content.remove_prefix(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

/// Who shall own the file; it is root who makes keys for a node that is not.
void give_to_owner(int file, const fs::path& path, const fs::path& folder) {
  struct stat like {};
  if (::stat(path.c_str(), &like) != 0 && ::stat(folder.c_str(), &like) != 0)
    return;
  if (::geteuid() == 0 && ::fchown(file, like.st_uid, like.st_gid) != 0)
    errno = 0; // it stays root's, and a node that cannot read it says so
}

} // namespace

caf::expected<std::unique_ptr<folder_hold>> folder_hold::take(const fs::path& folder) {
  auto opened = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0)
    return to_error(fail(folder, "opened"));
  auto hold = std::make_unique<folder_hold>(opened);
  while (::flock(opened, LOCK_EX) != 0)
    if (errno != EINTR)
      return to_error(fail(folder, "locked"));
  return hold;
}

folder_hold::~folder_hold() {
  ::close(descriptor_);
}

failure replace_file(const fs::path& path, std::string_view content) {
  auto folder = folder_of(path);
  auto fresh = path;
  fresh += ".new";
  // What is left of an attempt that died; whoever else writes holds the folder.
  ::unlink(fresh.c_str());
  {
    descriptor file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (file.value < 0)
      return fail(fresh, "made");
    give_to_owner(file.value, path, folder);
    if (!write_all(file.value, content) || ::fsync(file.value) != 0) {
      auto why = fail(fresh, "written");
      ::unlink(fresh.c_str());
      return why;
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    auto why = fail(path, "replaced");
    ::unlink(fresh.c_str());
    return why;
  }
  descriptor parent{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (parent.value < 0 || ::fsync(parent.value) != 0)
    return fail(folder, "synced");
  return {};
}

caf::expected<std::string> read_small_file(const fs::path& path, size_t most) {
  descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) {
    auto why = fail(path, "read");
    if (errno == ENOENT)
      why.code = ec::not_found;
    return to_error(why);
  }
  std::string result;
  std::string piece(64 << 10, '\0');
  for (;;) {
    auto count = ::read(file.value, piece.data(), piece.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return to_error(fail(path, "read"));
    if (count == 0)
      return result;
    result.append(piece, 0, static_cast<size_t>(count));
    if (result.size() > most)
      return to_error({ec::storage_failed,
                       fmt::format("{}: is larger than {} bytes", path.string(), most),
                       {}});
  }
}

} // namespace sotto
