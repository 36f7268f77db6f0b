#include "nodes/line_filter.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

namespace sotto {

namespace {

constexpr size_t block = 1 << 20;
constexpr size_t longest_line = 16 << 20;

/// read(2), again where a signal came between.
ssize_t read_some(int fd, char* to, size_t size) {
  for (;;) {
    auto n = ::read(fd, to, size);
    if (n >= 0 || errno != EINTR)
      return n;
  }
}

void handle(std::string_view x, const line_handler& line, std::string& out) {
  line(x.ends_with('\r') ? x.substr(0, x.size() - 1) : x, out);
}

/// Handles the whole lines of `text` and returns how many bytes they were.
size_t handle_lines(std::string_view text, const line_handler& line, std::string& out) {
  size_t begin = 0;
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
    handle(text.substr(begin, end - begin), line, out);
    begin = end + 1;
  }
  return begin;
}

} // namespace

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR)
      return false;
    text.remove_prefix(n < 0 ? 0 : static_cast<size_t>(n));
  }
  return true;
}

std::string filter_lines(int in, int out, const line_handler& line) {
  std::string buffer(2 * block, '\0');
  size_t held = 0;
  std::string results;
  for (;;) {
    if (buffer.size() - held < block)
      buffer.resize(buffer.size() * 2);
    auto n = read_some(in, buffer.data() + held, block);
    if (n < 0)
      return fmt::format("the input cannot be read: {}", std::strerror(errno));
    auto filled = held + static_cast<size_t>(n);
    auto used = handle_lines({buffer.data(), filled}, line, results);
    if (n == 0 && used < filled)
      handle({buffer.data() + used, filled - used}, line, results);
    if (!write_all(out, results))
      return fmt::format("the output cannot be written: {}", std::strerror(errno));
    if (n == 0)
      return {};
    results.clear();
    held = filled - used;
    if (held > longest_line)
      return "a line of the input is longer than 16 MiB";
    std::memmove(buffer.data(), buffer.data() + used, held);
  }
}

} // namespace sotto
