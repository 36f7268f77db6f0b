#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <caf/expected.hpp>

#include "messages/error.hpp"

namespace sotto {

/// Keeps other processes from changing the files of a folder, as long as they ask too.
class folder_hold {
public:
  /// Waits for whoever has it. Fails with `ec::storage_failed`.
  static caf::expected<std::unique_ptr<folder_hold>> take(const std::filesystem::path& folder);

  explicit folder_hold(int descriptor) : descriptor_(descriptor) {}
  folder_hold(const folder_hold&) = delete;
  folder_hold& operator=(const folder_hold&) = delete;
  ~folder_hold();

private:
  int descriptor_;
};

/// Gives the file `path` a new content (mode 0600): who reads sees the old one or the new one, and
/// when this returns without failure the new one survives a loss of power. A file that is there
/// keeps its owner, a new one gets its folder's.
failure replace_file(const std::filesystem::path& path, std::string_view content);

/// The whole file, at most `most` bytes. Fails with `ec::not_found` where there is none, else with
/// `ec::storage_failed`.
caf::expected<std::string> read_small_file(const std::filesystem::path& path, size_t most);

} // namespace sotto
