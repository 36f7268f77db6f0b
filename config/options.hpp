#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <caf/timespan.hpp>

#include "config/admission_options.hpp"
#include "config/cache_options.hpp"
#include "config/cluster_options.hpp"
#include "config/edge_options.hpp"
#include "config/embedding_options.hpp"
#include "config/link_options.hpp"
#include "config/llm_options.hpp"
#include "config/native_options.hpp"
#include "config/persona_options.hpp"
#include "config/session_options.hpp"
#include "config/shard_options.hpp"
#include "config/store_options.hpp"
#include "config/work_options.hpp"

namespace sotto {

/// The process as a whole.
struct node_options {
  /// Folder of everything the node stores; made when it is missing.
  std::string data = "data";
  /// Folder of the word lists and vectors (`emotion.bin`, `words.bin`); empty means that
  /// `find_data_files` looks for it.
  std::string data_files;
  /// Threads that run actors; 0 means one a core.
  uint32_t workers = 0;
  /// Units of ownership. Fixed when a data folder is created.
  uint32_t partitions = 256;
  /// How long running turns may take after SIGTERM before they are given up.
  caf::timespan drain_timeout = std::chrono::seconds{20};
  /// Where all randomness of the node comes from; 0 asks the operating system.
  uint64_t seed = 0;
  /// Most messages that may wait in one actor.
  size_t mailbox_bound = 65'536;
};

/// Where a node's data is kept.
struct storage_options {
  /// `sqlite:` is the folder `node.data`, `sqlite:PATH` another folder; or `postgresql://...`,
  /// maybe with a password.
  std::string url = "sqlite:";
};

/// Sockets, and what may come in through them.
struct gateway_options {
  /// HOST:PORT; port 0 takes a free one.
  std::string listen = "127.0.0.1:7700";
  /// Connections at the same time; more are closed at once.
  size_t max_connections = 10'000;
  /// Bytes of a request's head and of its body; larger ones are refused with 431 and 413.
  size_t max_header = 16 << 10;
  size_t max_body = 16 << 20;
  /// Bytes of one WebSocket message.
  size_t max_frame = 1 << 20;
  /// Bytes waiting to be sent to one client before it is cut as too slow.
  size_t max_unsent = 4 << 20;
  /// Bytes of what a user says in one turn.
  size_t max_text = 32 << 10;
  /// How long the head of a request may take to arrive, and its body.
  caf::timespan header_timeout = std::chrono::seconds{10};
  caf::timespan body_timeout = std::chrono::seconds{30};
  /// How long a kept-alive connection may be silent.
  caf::timespan idle_timeout = std::chrono::seconds{75};
  /// How long memory calls and the like may take.
  caf::timespan request_timeout = std::chrono::seconds{15};
  /// Calls of one WebSocket that are worked on at the same time; the others wait by priority.
  size_t max_in_flight = 256;
  /// Calls that one WebSocket may have sent without having got their answers: its credit.
  size_t max_calls = 4096;
  /// Bytes of one WebSocket's calls that may wait before the node stops reading it.
  size_t max_unread = 4 << 20;
  /// Conversations that one WebSocket may be told events of.
  size_t max_subscriptions = 10'000;
};

/// Batches of the emotion and embedding actors.
struct senses_options {
  /// Actors of each kind; 0 means one a worker thread.
  uint32_t emotion_actors = 0;
  uint32_t embedding_actors = 0;
  /// Names of an embedding model that clients may use for `sotto-sif-100d`.
  std::vector<std::string> embedding_aliases;
};

/// What is kept of the flows of messages.
struct trace_options {
  /// Share of flows that are kept whole, 0 to 1.
  double sample = 0.01;
  /// Records held in memory, oldest dropped first.
  size_t capacity = 65'536;
};

struct log_options {
  /// `trace`, `debug`, `info`, `warn`, `error` or `off`.
  std::string level = "info";
  /// `text` for people, `json` for programs: one line a message, on stderr.
  std::string format = "text";
};

struct metrics_options {
  /// Serve `GET /metrics`.
  bool enabled = true;
};

/// Everything that can be configured. Defaults stand at the fields; how they are written in TOML,
/// what is allowed and what they are for stands in bind.cpp.
struct options {
  /// The profile the values started from.
  std::string profile = "standard";
  node_options node;
  gateway_options gateway;
  /// Written under `gateway` too.
  edge_options edge;
  storage_options storage;
  /// `url`, `folder` and `partitions` follow from `storage.url`, `node.data` and `node.partitions`.
  store_options store;
  store_writer_options store_writer;
  store_reader_options store_reader;
  shard_options shard;
  session_options session;
  admission_options admission;
  llm_options llm;
  embedding_options embedding;
  senses_options senses;
  work_options work;
  cache_options cache;
  cluster_options cluster;
  /// Written under `cluster` too.
  link_options link;
  native_options native;
  trace_options trace;
  log_options log;
  metrics_options metrics;
  /// Never empty once loaded: without a configured persona there is `companion`.
  std::vector<persona_options> personas;
};

} // namespace sotto
