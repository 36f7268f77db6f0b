#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include <caf/timespan.hpp>

namespace sotto {

/// The store: the embedded one in `folder`, or PostgreSQL.
struct store_options {
  /// A PostgreSQL database, `postgresql://...`, maybe with a password; empty: the embedded store.
  std::string url;
  /// What the database's tables are in; made when it is missing.
  std::string schema = "sotto";
  /// How long reads and writes wait for a database that is gone.
  caf::timespan write_patience = std::chrono::seconds{5};
  /// How long one try to reach the database may take, and one transaction or load.
  caf::timespan connect_timeout = std::chrono::seconds{2};
  caf::timespan answer_timeout = std::chrono::seconds{15};
  /// Holds `sotto.db` and `lock`; created with mode 0700 where missing. One process at a time.
  std::filesystem::path folder = "sotto-data";
  /// Partitions of the cluster; fixed when the store is created.
  uint32_t partitions = 256;
  /// What tells the vectors that are stored now from those of another embedder; those are kept but
  /// never given back.
  std::string space;
  /// The whole database is checked at every start while it is at most this large (bytes); of a
  /// larger one the header and the schema only.
  uint64_t check_bytes = 64ULL << 20;
  /// Page cache of each of the two connections (KiB).
  uint32_t cache_kib = 32 * 1024;
  /// Longest wait for another connection's lock on the database.
  caf::timespan busy_timeout = std::chrono::seconds{10};
  /// Owners whose number is kept in memory, at most.
  size_t owner_cache = 65'536;
  /// The log is moved into the database when it has grown to this size (bytes) ...
  uint64_t checkpoint_bytes = 32ULL << 20;
  /// ... and at this size even if a commit must wait for it for a moment (bytes).
  uint64_t restart_bytes = 128ULL << 20;
};

/// How STORE WRITER gathers writes into commits.
struct store_writer_options {
  /// Most writes in one transaction.
  size_t max_writes = 1024;
  /// Most bytes of text and vectors in one transaction; a larger write goes alone.
  size_t max_bytes = 8 << 20;
};

/// How STORE READER looks after the store between loads.
struct store_reader_options {
  /// How often the size of the log is looked at.
  caf::timespan maintain_every = std::chrono::milliseconds{250};
};

} // namespace sotto
