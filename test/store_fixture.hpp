#pragma once

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "runtime/postgres_store.hpp"
#include "runtime/sqlite_store.hpp"
#include "test/postgres_fixture.hpp"

namespace sotto::test {

namespace fs = std::filesystem;

/// A folder of a test's own, removed with everything in it.
struct scratch {
  scratch() {
    auto name = (fs::temp_directory_path() / "sotto-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    path = name;
  }
  ~scratch() {
    std::error_code none;
    fs::remove_all(path, none);
  }
  fs::path path;
};

inline store_options in(const fs::path& folder) {
  store_options result;
  result.folder = folder;
  return result;
}

inline store_options in(const own_schema& own) {
  store_options result;
  result.url = own.to.url;
  result.schema = own.to.schema;
  return result;
}

/// Where a store of a test's own is, in either engine.
struct sqlite_place {
  store_options options() const { return in(dir.path); }
  scratch dir;
};
struct postgres_place {
  store_options options() const { return in(own); }
  own_schema own;
};

inline caf::expected<std::unique_ptr<store>>
try_open(const store_options& options, std::shared_ptr<const fence> fence = nullptr) {
  return options.url.empty() ? open_sqlite_store(options) : open_postgres_store(options, fence);
}

inline std::unique_ptr<store> open(const store_options& options,
                                   std::shared_ptr<const fence> fence = nullptr) {
  auto result = try_open(options, std::move(fence));
  if (!result)
    FAIL(to_failure(result.error()).message);
  return std::move(*result);
}

/// Why the store does not open.
inline failure refusal(const store_options& options) {
  auto result = try_open(options);
  return result ? failure{} : to_failure(result.error());
}

inline memory row(uint64_t seq, std::string id, std::string text = "some words") {
  memory x;
  x.seq = seq;
  x.id = std::move(id);
  x.text = std::move(text);
  x.speaker = "ann";
  x.conversation = "evening";
  x.created = 1'767'225'600'000'000 + static_cast<int64_t>(seq);
  return x;
}

inline store_write insert(std::string owner, std::vector<memory> rows) {
  store_write x;
  x.owner = {"acme", std::move(owner)};
  x.memories = std::move(rows);
  return x;
}

inline store_write forget(std::string owner) {
  store_write x;
  x.what = store_write::kind::forget;
  x.owner = {"acme", std::move(owner)};
  return x;
}

inline store_write remove(std::string owner, uint64_t seq) {
  store_write x;
  x.what = store_write::kind::remove;
  x.owner = {"acme", std::move(owner)};
  x.seqs = {seq};
  return x;
}

inline failure apply(store& to, store_write x) {
  auto results = to.apply({&x, 1});
  REQUIRE(results.size() == 1);
  return results.front();
}

inline memory_write load(store& from, std::string owner) {
  auto view = from.view();
  REQUIRE(view);
  auto result = (*view)->load({"acme", std::move(owner)});
  if (!result)
    FAIL(to_failure(result.error()).message);
  CHECK(result->vectors.size() == result->memories.size());
  return std::move(*result);
}

inline std::vector<std::string> ids(const memory_write& x) {
  std::vector<std::string> result;
  for (auto& m : x.memories)
    result.push_back(m.id);
  return result;
}

inline std::string read(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

inline void overwrite(const fs::path& path, std::streamoff at, const std::string& bytes) {
  std::fstream out{path, std::ios::binary | std::ios::in | std::ios::out};
  out.seekp(at);
  out << bytes;
  REQUIRE(out.good());
}

} // namespace sotto::test
