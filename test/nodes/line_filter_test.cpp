#include <catch2/catch.hpp>

#include <thread>

#include <unistd.h>

#include "nodes/line_filter.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

struct pipe_pair {
  pipe_pair() { REQUIRE(::pipe(ends) == 0); }
  ~pipe_pair() {
    close_end(0);
    close_end(1);
  }
  void close_end(int i) {
    if (ends[i] >= 0)
      ::close(ends[i]);
    ends[i] = -1;
  }
  int ends[2];
};

std::string read_all(int fd) {
  std::string out;
  char buffer[65536];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof(buffer))) > 0;)
    out.append(buffer, static_cast<size_t>(n));
  return out;
}

/// What the filter makes of `text`, each line between angles, and its problem.
std::pair<std::string, std::string> filtered(const std::string& text) {
  pipe_pair in;
  pipe_pair out;
  std::thread writer{[&] {
    write_all(in.ends[1], text);
    in.close_end(1);
  }};
  std::string problem;
  std::thread filter{[&] {
    problem = filter_lines(in.ends[0], out.ends[1], [](std::string_view x, std::string& to) {
      to.append("<").append(x).append(">");
    });
    read_all(in.ends[0]);
    out.close_end(1);
  }};
  auto result = read_all(out.ends[0]);
  writer.join();
  filter.join();
  return {result, problem};
}

} // namespace

TEST_CASE("lines are handled whole, with and without a last break") {
  CHECK(filtered("").first.empty());
  CHECK(filtered("a\nb\r\n\nc").first == "<a><b><><c>");
  CHECK(filtered("a\n").first == "<a>");
  CHECK(filtered(std::string("x\0y\n", 4)).first == std::string("<x\0y>", 5));
}

TEST_CASE("long and short lines come through unchanged") {
  splitmix random{9};
  std::string text;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    std::string line(random() % (i % 100 == 0 ? 200'000 : 100), 'x');
    text += line + "\n";
    expected += "<" + line + ">";
  }
  auto [result, problem] = filtered(text);
  CHECK(problem.empty());
  // No CHECK on the texts themselves: a failure would print megabytes.
  CHECK((result == expected));
}

TEST_CASE("a line without end is refused at a bound") {
  auto [result, problem] = filtered(std::string(18 << 20, 'x'));
  CHECK(problem == "a line of the input is longer than 16 MiB");
  CHECK(result.empty());
}

TEST_CASE("an input that cannot be read is told") {
  CHECK(filter_lines(-1, 1, [](std::string_view, std::string&) {}).starts_with("the input cannot"));
}
