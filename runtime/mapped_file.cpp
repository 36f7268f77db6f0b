#include "runtime/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "messages/error.hpp"

namespace sotto {

namespace {

caf::error unreadable(const std::string& path, const char* why) {
  return to_error({ec::not_found,
                   fmt::format("cannot read {}: {}; scripts/data/fetch makes it", path, why),
                   {}});
}

} // namespace

caf::expected<std::shared_ptr<const mapped_file>> mapped_file::open(const std::string& path) {
  auto file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return unreadable(path, std::strerror(errno));
  struct stat info {};
  auto known = ::fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0;
  auto size = static_cast<size_t>(info.st_size);
  auto* data = known ? ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
  auto code = errno;
  ::close(file);
  if (data == MAP_FAILED)
    return unreadable(path, known ? std::strerror(code) : "it is empty or no file");
  return std::shared_ptr<const mapped_file>{
      std::make_shared<mapped_file>(static_cast<const char*>(data), size)};
}

mapped_file::~mapped_file() {
  ::munmap(const_cast<char*>(data_), size_);
}

} // namespace sotto
