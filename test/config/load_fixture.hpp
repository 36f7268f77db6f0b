#pragma once

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "config/load.hpp"

namespace sotto::test {

/// A file that is removed with the test.
class written_file {
public:
  explicit written_file(const std::string& text)
      : path(std::filesystem::temp_directory_path()
             / ("sotto_load_test_" + std::to_string(::getpid()) + ".toml")) {
    std::ofstream{path, std::ios::binary} << text;
  }
  ~written_file() { std::filesystem::remove(path); }

  std::filesystem::path path;
};

inline loaded_options load_file(const std::string& text) {
  written_file file{text};
  option_sources from;
  from.file = file.path.string();
  auto out = load_options(from);
  // Messages with a name that does not change.
  for (auto& x : out.problems)
    if (x.starts_with(from.file))
      x = "f" + x.substr(from.file.size());
  return out;
}

inline loaded_options load_with(std::vector<std::string> assignments,
                                std::map<std::string, std::string> environment = {}) {
  option_sources from;
  from.assignments = std::move(assignments);
  from.environment = std::move(environment);
  return load_options(from);
}

} // namespace sotto::test
