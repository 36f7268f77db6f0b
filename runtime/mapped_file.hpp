#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <caf/expected.hpp>

namespace sotto {

/// A file mapped read-only; shared by all processes that map it. The bytes live as long as this.
class mapped_file {
public:
  /// Fails with `ec::not_found` and says which file and how it is made.
  static caf::expected<std::shared_ptr<const mapped_file>> open(const std::string& path);

  mapped_file(const char* data, size_t size) : data_(data), size_(size) {}
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;
  ~mapped_file();

  std::string_view bytes() const { return {data_, size_}; }

private:
  const char* data_;
  size_t size_;
};

} // namespace sotto
