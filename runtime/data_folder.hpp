#pragma once

#include <filesystem>
#include <memory>

#include <caf/expected.hpp>

#include "messages/error.hpp"

namespace sotto {

/// The hold of this process on a data folder, by `flock` on its file `lock`; the operating system
/// ends it with the process, however that dies.
class data_folder {
public:
  /// Creates the folder (mode 0700) where it is missing, and takes the lock. Fails with
  /// `ec::storage_failed` and names the process that has the lock.
  static caf::expected<std::unique_ptr<data_folder>> open(const std::filesystem::path& path);

  explicit data_folder(int descriptor) : descriptor_(descriptor) {}
  data_folder(const data_folder&) = delete;
  data_folder& operator=(const data_folder&) = delete;
  ~data_folder();

private:
  int descriptor_;
};

/// Makes a folder and those above it where they are missing; mode 0700 where it is new.
failure make_private_folder(const std::filesystem::path& path);

} // namespace sotto
