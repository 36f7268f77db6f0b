#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "nodes/file_watcher.hpp"
#include "runtime/replace_file.hpp"
#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

TEST_CASE("a watcher tells of files that come, change and go, once each") {
  auto folder =
      std::filesystem::temp_directory_path() / ("sotto_watch_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  auto file = folder / "x", other = folder / "y";
  int changes = 0, looks = 0;
  {
    test::frozen_system system;
    std::vector<watched_files> files;
    files.emplace_back(std::vector{file, other}, [&] { ++changes; });
    system.spawn(file_watcher, std::move(files), caf::timespan{1s},
                 std::function<void()>{[&] { ++looks; }});
    for (int i = 0; i < 3; ++i)
      system.pass(1s);
    CHECK(changes == 0);
    CHECK(looks == 3);
    REQUIRE_FALSE(replace_file(file, "one"));
    system.pass(1s);
    CHECK(changes == 1);
    system.pass(2s);
    CHECK(changes == 1);
    REQUIRE_FALSE(replace_file(file, "two"));
    system.pass(1s);
    CHECK(changes == 2);
    std::ofstream{other} << "there";
    system.pass(1s);
    CHECK(changes == 3);
    std::filesystem::remove(file);
    system.pass(1s);
    CHECK(changes == 4);
  }
  std::filesystem::remove_all(folder);
}
