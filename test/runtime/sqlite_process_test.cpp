#include "test/store_fixture.hpp"

#include <csignal>
#include <set>

#include <grp.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "runtime/random.hpp"

using namespace sotto;
using namespace sotto::test;
using Catch::Matchers::Contains;

namespace {

/// Another process that runs `work(out)`; what it writes to the descriptor `out` can be read.
class child {
public:
  template <class F>
  explicit child(F work) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::close(ends[0]);
      work(ends[1]);
      _exit(0);
    }
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~child() {
    ::close(out_);
    if (pid_ > 0)
      waitpid(pid_, nullptr, 0);
  }

  /// The next bytes; empty when the process has ended.
  std::string some() {
    char buffer[4096];
    auto count = ::read(out_, buffer, sizeof(buffer));
    return {buffer, count > 0 ? static_cast<size_t>(count) : 0};
  }
  /// Everything it writes until it has ended: its lock goes only with the whole process.
  std::string all() {
    std::string result;
    for (auto x = some(); !x.empty(); x = some())
      result += x;
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
    return result;
  }
  /// Ends it and returns what it had written and nobody read.
  std::string kill() {
    ::kill(pid_, SIGKILL);
    return all();
  }

private:
  pid_t pid_ = 0;
  int out_ = -1;
};

void say(int out, const std::string& text) {
  if (::write(out, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    _exit(1);
}

/// Tries to open the store and says what came of it.
void try_open(int out, const store_options& options) {
  auto result = open_sqlite_store(options);
  say(out, result ? "opened" : to_failure(result.error()).message);
}

} // namespace

TEST_CASE("a second process on the same folder is refused and told who has it") {
  scratch dir;
  auto db = open(in(dir.path));
  {
    child other{[&](int out) { try_open(out, in(dir.path)); }};
    CHECK_THAT(other.all(),
               Contains("in use by process " + std::to_string(getpid())) && Contains("--data"));
  }
  CHECK_THAT(refusal(in(dir.path)).message, Contains("in use"));
  CHECK_FALSE(apply(*db, insert("u", {row(1, "a")})));
  db.reset();
  child other{[&](int out) { try_open(out, in(dir.path)); }};
  CHECK(other.all() == "opened");
}

TEST_CASE("a folder that cannot be written is refused with the reason") {
  scratch dir;
  auto folder = dir.path / "data";
  {
    auto db = open(in(folder));
    REQUIRE_FALSE(apply(*db, insert("u", {row(1, "a")})));
  }
  fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
  fs::permissions(dir.path, fs::perms::owner_all | fs::perms::others_exec | fs::perms::others_read);
  child other{[&](int out) {
    // Permissions do not bind root.
    if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
      _exit(1);
    try_open(out, in(folder));
  }};
  CHECK_THAT(other.all(), Contains("Permission denied") && Contains("writable"));
  fs::permissions(folder, fs::perms::owner_all);
  auto db = open(in(folder));
  CHECK(load(*db, "u").memories.size() == 1);
}

TEST_CASE("a file where the folder should be is refused") {
  scratch dir;
  std::ofstream{dir.path / "data"} << "x";
  CHECK_THAT(refusal(in(dir.path / "data")).message, Contains("folder"));
  CHECK_THAT(refusal(in(dir.path / "data" / "more")).message, Contains("folder"));
}

TEST_CASE("when the disk takes no more, nothing is acknowledged and all before stays") {
  scratch dir;
  child other{[&](int out) {
    std::signal(SIGXFSZ, SIG_IGN);
    auto db = open(in(dir.path));
    rlimit limit{200'000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    for (uint64_t i = 1; i <= 100; ++i) {
      std::vector<store_write> batch{
          insert("u", {row(i * 2, fmt::format("a{}", i), std::string(5000, 'x'))}),
          insert("u", {row(i * 2 + 1, fmt::format("b{}", i))})};
      auto results = db->apply(batch);
      for (auto& x : results)
        say(out, x ? x.code == ec::storage_failed ? "!" : "?" : "+");
    }
    // Space is there again: the same store goes on.
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    say(out, apply(*db, insert("u", {row(1000, "last")})) ? "?" : "=");
    db.release(); // ends without closing, as after a crash
  }};
  auto said = other.all();
  auto stored = static_cast<size_t>(std::count(said.begin(), said.end(), '+'));
  CHECK(stored > 10);
  CHECK(stored < 190);
  CHECK(said == std::string(stored, '+') + std::string(200 - stored, '!') + "=");
  auto db = open(in(dir.path));
  CHECK(load(*db, "u").memories.size() == stored + 1);
}

TEST_CASE("what was acknowledged before a kill is there afterwards, exactly once") {
  splitmix random{42};
  for (int round = 0; round < 12; ++round) {
    scratch dir;
    child writer{[&](int out) {
      auto db = open(in(dir.path));
      auto view = db->view();
      splitmix sizes{static_cast<uint64_t>(round)};
      uint64_t next = 1;
      for (;;) {
        std::vector<store_write> batch;
        auto first = next;
        for (auto left = sizes() % 20 + 1; left > 0; --left, ++next)
          batch.push_back(
              insert(fmt::format("u{}", next % 3), {row(next, fmt::format("m{}", next))}));
        for (auto& x : db->apply(batch))
          if (x)
            _exit(1);
        std::string told;
        for (; first < next; ++first)
          told += fmt::format("{}\n", first);
        say(out, told);
        if (sizes() % 8 == 0 && (*view)->maintain())
          _exit(1);
      }
    }};
    std::string told;
    auto enough = random() % 4000;
    while (told.size() <= enough) {
      auto more = writer.some();
      REQUIRE_FALSE(more.empty());
      told += more;
    }
    told += writer.kill();
    auto acknowledged = static_cast<uint64_t>(std::count(told.begin(), told.end(), '\n'));
    auto db = open(in(dir.path));
    std::multiset<uint64_t> found;
    for (int i = 0; i < 3; ++i)
      for (auto& m : load(*db, fmt::format("u{}", i)).memories) {
        CHECK(m.id == fmt::format("m{}", m.seq));
        found.insert(m.seq);
      }
    CHECK(found.size() >= acknowledged);
    for (uint64_t i = 1; i <= acknowledged; ++i)
      REQUIRE(found.count(i) == 1);
  }
}
