#include "config/binding.hpp"

#include <limits>

#include "config/store_url.hpp"

namespace sotto {

using namespace std::chrono_literals;
using namespace binding;

namespace {

void add_node(settings_table& t) {
  using n = node_options;
  auto p = &o::node;
  t.push_back(in(p, &n::data, "node.data", rule::text{is_nonempty_path, "a path"},
                 "Folder of everything the node stores"));
  t.push_back(in(p, &n::data_files, "node.data_files", path,
                 "Folder of emotion.bin and words.bin; empty: looked for beside the program"));
  t.push_back(in(p, &n::workers, "node.workers", rule::count{0, 1024},
                 "Threads that run actors; 0: one a core"));
  t.push_back(in(p, &n::partitions, "node.partitions", rule::count{1, 65'536},
                 "Units of ownership; fixed when a data folder is created"));
  t.push_back(in(p, &n::drain_timeout, "node.drain_timeout", rule::duration{0s, 1h},
                 "How long running turns may take after SIGTERM"));
  t.push_back(in(p, &n::seed, "node.seed", rule::count{0, std::numeric_limits<int64_t>::max()},
                 "Where all randomness comes from; 0: the operating system"));
  t.push_back(in(p, &n::mailbox_bound, "node.mailbox_bound", rule::count{16, 10'000'000},
                 "Most messages that may wait in one actor"));
}

void add_gateway(settings_table& t) {
  using g = gateway_options;
  auto p = &o::gateway;
  t.push_back(in(p, &g::listen, "gateway.listen",
                 rule::text{rule::is_address, "HOST:PORT such as \"127.0.0.1:7700\""},
                 "Where HTTP and WebSockets are served; port 0: a free one"));
  t.push_back(in(p, &g::max_connections, "gateway.max_connections", rule::count{1, 1'000'000},
                 "Connections at the same time"));
  t.push_back(
      in(p, &g::max_header, "gateway.max_header", kib(1, 1024), "Largest head of a request"));
  t.push_back(
      in(p, &g::max_body, "gateway.max_body", kib(1, 1 << 20), "Largest body of a request"));
  t.push_back(
      in(p, &g::max_frame, "gateway.max_frame", kib(1, 1 << 20), "Largest WebSocket message"));
  t.push_back(in(p, &g::max_unsent, "gateway.max_unsent", kib(16, 1 << 20),
                 "What may wait for a slow client before it is cut"));
  t.push_back(in(p, &g::max_text, "gateway.max_text", kib(1, 1024), "Longest text of one turn"));
  t.push_back(in(p, &g::header_timeout, "gateway.header_timeout", up_to(10min),
                 "How long the head of a request may take"));
  t.push_back(in(p, &g::body_timeout, "gateway.body_timeout", up_to(1h),
                 "How long the body of a request may take"));
  t.push_back(in(p, &g::idle_timeout, "gateway.idle_timeout", up_to(24h),
                 "How long a kept-alive connection may be silent"));
  t.push_back(in(p, &g::request_timeout, "gateway.request_timeout", up_to(10min),
                 "How long memory calls may take"));
  t.push_back(in(p, &g::max_in_flight, "gateway.max_in_flight", rule::count{1, 100'000},
                 "Calls of one WebSocket worked on at the same time"));
  t.push_back(in(p, &g::max_calls, "gateway.max_calls", rule::count{1, 1'000'000},
                 "Calls of one WebSocket without an answer yet: its credit"));
  t.push_back(in(p, &g::max_unread, "gateway.max_unread", kib(16, 1 << 20),
                 "Calls that may wait on one WebSocket before it is read no further"));
  t.push_back(in(p, &g::max_subscriptions, "gateway.max_subscriptions", rule::count{0, 1'000'000},
                 "Conversations that one WebSocket may get events of"));
}

void add_edge(settings_table& t) {
  using e = edge_options;
  auto p = &o::edge;
  t.push_back(
      in(p, &e::keys, "gateway.keys", path, "File of the API keys; empty: keys.json in node.data"));
  t.push_back(in(p, &e::open, "gateway.open", rule::flag{},
                 "Serve everybody without a key, also beyond loopback"));
  t.push_back(in(p, &e::tls_certificate, "gateway.tls_certificate", path,
                 "PEM file of the certificate and those it rests on; empty: no TLS"));
  t.push_back(
      in(p, &e::tls_key, "gateway.tls_key", path, "PEM file of the certificate's private key"));
  t.push_back(in(p, &e::tls_handshake_timeout, "gateway.tls_handshake_timeout", up_to(10min),
                 "How long a TLS handshake may take"));
  t.push_back(in(p, &e::cors_origins, "gateway.cors_origins",
                 rule::list{"a list of origins such as \"https://app.example\""},
                 "Pages of these origins may call the node from a browser"));
  t.push_back(in(p, &e::max_connections_per_address, "gateway.max_connections_per_address",
                 rule::count{0, 1'000'000},
                 "Connections at the same time from one address (IPv6: one /64); 0: no limit"));
}

void add_session(settings_table& t) {
  using s = session_options;
  auto p = &o::session;
  t.push_back(in(p, &s::turn_timeout, "session.turn_timeout", up_to(1h),
                 "Longest time from a turn's arrival to its reply"));
  t.push_back(in(p, &s::emotion_timeout, "session.emotion_timeout", up_to(1min),
                 "Longest wait for the mood; later, the turn goes on without"));
  t.push_back(in(p, &s::recall_timeout, "session.recall_timeout", up_to(1min),
                 "Longest wait for memories"));
  t.push_back(
      in(p, &s::topics_timeout, "session.topics_timeout", up_to(1min), "Longest wait for topics"));
  t.push_back(in(p, &s::store_timeout, "session.store_timeout", up_to(10min),
                 "Longest wait for a turn to become durable"));
  t.push_back(
      in(p, &s::recalled, "session.recalled", rule::count{0, 100}, "Memories given to the model"));
  t.push_back(in(p, &s::context_lines, "session.context_lines", rule::count{0, 1000},
                 "Recent lines given to the model"));
  t.push_back(in(p, &s::context_tokens, "session.context_tokens", rule::count{0, 1'000'000},
                 "Rough tokens (four bytes each) of recent lines"));
  t.push_back(in(p, &s::summary_lines, "session.summary_lines", rule::count{0, 1000},
                 "Lines that leave that window before they are told in short; 0: never"));
  t.push_back(in(p, &s::summary_bytes, "session.summary_bytes", kib(0, 64),
                 "Longest summary of a conversation"));
  t.push_back(in(p, &s::summary_timeout, "session.summary_timeout", up_to(10min),
                 "Longest wait for the model that is asked for a summary"));
  t.push_back(in(p, &s::idle_timeout, "session.idle_timeout", rule::duration{1s, 168h},
                 "A session without turns for this long leaves memory"));
  t.push_back(in(p, &s::max_waiting, "session.max_waiting", rule::count{1, 10'000},
                 "Turns that may wait in one conversation"));
  t.push_back(in(p, &s::max_live, "session.max_live", rule::count{0, 1'000'000'000},
                 "Conversations in memory; 0: as many as session.max_memory holds"));
  t.push_back(in(p, &s::max_memory, "session.max_memory", rule::size{0, 1ULL << 50},
                 "Memory of sessions and loaded owners; 0: half of admission.max_memory"));
  t.push_back(in(p, &s::keep_context, "session.keep_context", rule::duration{0s, 168h},
                 "How long the recent lines of a session that has left are kept; 0: not at all"));
  t.push_back(in(p, &s::max_kept, "session.max_kept", rule::size{0, 1ULL << 50},
                 "Memory of such lines, of all conversations"));
}

void add_admission(settings_table& t) {
  using a = admission_options;
  auto p = &o::admission;
  t.push_back(in(p, &a::max_running, "admission.max_running", rule::count{0, 1'000'000},
                 "Turns that run at once, without those that wait for a provider; 0: 64 a worker"));
  t.push_back(in(p, &a::max_waiting, "admission.max_waiting", rule::count{1, 1'000'000},
                 "Turns that may wait to run"));
  t.push_back(in(p, &a::overdue_after, "admission.overdue_after", up_to(1h),
                 "From this wait on a turn is now and then served before more important ones"));
  t.push_back(in(p, &a::target_wait, "admission.target_wait", up_to(1min),
                 "Wait from which on turns are made cheaper, and at last refused"));
  t.push_back(in(p, &a::max_memory, "admission.max_memory", rule::size{0, 1ULL << 50},
                 "Memory of the process above which turns are refused; 0: 3/4 of the machine's"));
  t.push_back(in(p, &a::fewer_memories, "admission.fewer_memories", rule::count{0, 100},
                 "Memories given to the model when the node is overloaded"));
  t.push_back(in(p, &a::allow_builtin, "admission.allow_builtin", rule::flag{},
                 "Let the builtin responder answer before turns are refused"));
  t.push_back(in(p, &a::hold_refusals, "admission.hold_refusals", rule::duration{0s, 10s},
                 "How long answers to refused requests are held back where many are refused"));
}

void add_store(settings_table& t) {
  using s = store_options;
  auto p = &o::store;
  t.push_back(in(&o::storage, &storage_options::url, "store.url",
                 rule::text{is_store_url, "\"sqlite:\" (in node.data), \"sqlite:FOLDER\" or "
                                          "\"postgresql://USER:PASSWORD@HOST:PORT/DATABASE\" as "
                                          "libpq has it; the password may be in PGPASSFILE"},
                 "Where data is kept"));
  t.push_back(in(p, &s::schema, "store.schema",
                 rule::text{is_schema, "small letters, digits and \"_\", at most 63"},
                 "The schema of a PostgreSQL database that is used"));
  t.push_back(in(p, &s::write_patience, "store.write_patience", rule::duration{0s, 1h},
                 "How long reads and writes wait for a PostgreSQL that is gone"));
  t.push_back(in(p, &s::connect_timeout, "store.connect_timeout", rule::duration{10ms, 10min},
                 "Longest try to reach PostgreSQL"));
  t.push_back(in(p, &s::answer_timeout, "store.answer_timeout", rule::duration{10ms, 1h},
                 "Longest wait for PostgreSQL's answer to one transaction or load"));
  t.push_back(in(p, &s::check_bytes, "store.check_bytes", kib(0, 1 << 30),
                 "Up to this size the whole database is checked at every start"));
  t.push_back(in(p, &s::cache_kib, "store.cache_kib", rule::count{64, 64 << 20},
                 "Page cache of each of two connections, in KiB"));
  t.push_back(in(p, &s::busy_timeout, "store.busy_timeout", up_to(10min),
                 "Longest wait for the database's lock"));
  t.push_back(in(p, &s::owner_cache, "store.owner_cache", rule::count{16, 100'000'000},
                 "Owners whose number is kept in memory"));
  t.push_back(in(p, &s::checkpoint_bytes, "store.checkpoint_bytes", kib(64, 1 << 30),
                 "Size at which the log is moved into the database"));
  t.push_back(in(p, &s::restart_bytes, "store.restart_bytes", kib(64, 1 << 30),
                 "Size at which commits wait for that"));
  t.push_back(in(&o::store_writer, &store_writer_options::max_writes, "store.max_writes",
                 rule::count{1, 100'000}, "Most writes in one commit"));
  t.push_back(in(&o::store_writer, &store_writer_options::max_bytes, "store.max_bytes",
                 kib(1, 1 << 20), "Most bytes in one commit"));
  t.push_back(in(&o::store_reader, &store_reader_options::maintain_every, "store.maintain_every",
                 rule::duration{10ms, 1h}, "How often the log's size is looked at"));
}

void add_shard(settings_table& t) {
  using s = shard_options;
  auto p = &o::shard;
  t.push_back(in(p, &s::max_bytes, "shard.max_bytes", kib(64, 1 << 30),
                 "Memory of loaded owners in one shard"));
  t.push_back(in(p, &s::max_waiting, "shard.max_waiting", rule::count{1, 100'000},
                 "Requests that may wait for one owner to be loaded"));
  t.push_back(in(p, &s::load_timeout, "shard.load_timeout", up_to(10min),
                 "Longest wait for an owner to be loaded"));
  t.push_back(in(p, &s::write_timeout, "shard.write_timeout", up_to(10min),
                 "Longest wait for a write to become durable"));
  t.push_back(in(p, &s::keep_turns, "shard.keep_turns", rule::duration{1s, 8760h},
                 "How long the reply to a turn with an idempotency key can be had again"));
  t.push_back(in(p, &s::max_turns, "shard.max_turns", rule::count{1, 100'000},
                 "For how many turns of one owner, the latest"));
}

void add_llm(settings_table& t) {
  using l = llm_options;
  auto p = &o::llm;
  t.push_back(in(p, &l::max_waiting, "llm.max_waiting", rule::count{1, 1'000'000},
                 "Generations that may wait"));
  t.push_back(in(p, &l::builtin_fallback, "llm.builtin_fallback", rule::flag{},
                 "Let the builtin responder answer when every deployment failed"));
  t.push_back(in(p, &l::breaker_failures, "llm.breaker_failures", rule::count{1, 1000},
                 "Failures in a row after which a deployment is left alone for a while"));
  t.push_back(in(p, &l::breaker_pause, "llm.breaker_pause", up_to(1h),
                 "The first such pause; doubled with every further failure"));
  t.push_back(in(p, &l::breaker_longest_pause, "llm.breaker_longest_pause", up_to(24h),
                 "The longest such pause"));
  t.push_back(in(p, &l::connection_idle_timeout, "llm.connection_idle_timeout", up_to(24h),
                 "A connection to a provider without work for this long is closed"));
}

void add_embedding(settings_table& t) {
  using e = embedding_options;
  auto p = &o::embedding;
  constexpr rule::text url{[](std::string_view x) { return x.empty() || rule::is_http_url(x); },
                           "an http:// or https:// URL with the version, or \"\""};
  t.push_back(in(p, &e::base_url, "embedding.base_url", url,
                 "A provider of OpenAI's /embeddings; empty: the built-in embedder"));
  t.push_back(in(p, &e::model, "embedding.model", rule::text{is_label, "text"},
                 "The provider's name of the model"));
  t.push_back(in(p, &e::api_key_env, "embedding.api_key_env",
                 rule::text{rule::is_variable, "the name of an environment variable"},
                 "Environment variable that holds the key"));
  t.push_back(in(p, &e::api_key_file, "embedding.api_key_file", path, "File that holds the key"));
  t.push_back(
      in(p, &e::ca_file, "embedding.ca_file", path, "PEM file of further trusted authorities"));
  t.push_back(in(p, &e::dimensions, "embedding.dimensions", rule::count{0, 65'536},
                 "Asked of the provider and checked; 0: what the model has"));
  t.push_back(
      in(p, &e::max_batch, "embedding.max_batch", rule::count{1, 2048}, "Most texts in one call"));
  t.push_back(in(p, &e::max_in_flight, "embedding.max_in_flight", rule::count{1, 256},
                 "Calls at the same time, for each embedding actor"));
  t.push_back(in(p, &e::timeout, "embedding.timeout", up_to(10min), "Longest time of one call"));
  t.push_back(in(p, &e::retries, "embedding.retries", rule::count{0, 10},
                 "How often a call is made again after a failure that may pass"));
  t.push_back(in(p, &e::cache, "embedding.cache", rule::count{0, 100'000'000},
                 "Vectors kept in memory, by tenant and text"));
}

void add_work(settings_table& t) {
  using w = work_options;
  auto p = &o::work;
  t.push_back(
      in(p, &w::max_items, "work.max_items", rule::count{1, 10'000}, "Most items of a batch"));
  t.push_back(in(p, &w::min_items, "work.min_items", rule::count{1, 10'000},
                 "From how many items on a batch may be worth waiting for"));
  t.push_back(in(p, &w::max_window, "work.max_window", rule::duration{0s, 1s},
                 "Longest wait for more items of a batch"));
  t.push_back(in(p, &w::max_items_waiting, "work.max_items_waiting", rule::count{1, 10'000'000},
                 "Items that may wait in one batcher"));
  t.push_back(in(p, &w::lanes, "work.lanes",
                 rule::list{"a list of \"OPERATION=LANE\", LANE being here, pool, detached or "
                            "isolated"},
                 "Operations that keep a lane, whatever is measured"));
  t.push_back(in(p, &w::max_pool, "work.max_pool", rule::count{0, 1024},
                 "Workers for what keeps a core busy; 0: one a core"));
  t.push_back(in(p, &w::max_detached, "work.max_detached", rule::count{1, 1024},
                 "Workers with a thread of their own, for what waits"));
  t.push_back(in(p, &w::idle_after, "work.idle_after", rule::duration{100ms, 24h},
                 "A worker that was not needed for so long is let go"));
  t.push_back(in(p, &w::max_waiting, "work.max_waiting", rule::count{1, 1'000'000},
                 "Batches that may wait for a worker"));
  t.push_back(in(p, &w::isolated_memory, "work.isolated_memory", rule::size{0, 1ULL << 50},
                 "Memory of a child process besides the program itself; 0: no limit"));
  t.push_back(in(p, &w::isolated_timeout, "work.isolated_timeout", up_to(1h),
                 "How long a child process may take for one batch before it is killed"));
}

void add_rest(settings_table& t) {
  t.push_back(in(&o::senses, &senses_options::emotion_actors, "senses.emotion_actors",
                 rule::count{0, 1024}, "Actors that read moods; 0: one a worker thread"));
  t.push_back(in(&o::senses, &senses_options::embedding_actors, "senses.embedding_actors",
                 rule::count{0, 1024}, "Actors that embed texts; 0: one a worker thread"));
  t.push_back(in(&o::senses, &senses_options::embedding_aliases, "senses.embedding_aliases",
                 rule::list{"a list of model names"},
                 "Names of embedding models that clients may use for sotto-sif-100d"));
  t.push_back(in(&o::trace, &trace_options::sample, "trace.sample", rule::number{0, 1},
                 "Share of flows that are kept whole"));
  t.push_back(in(&o::trace, &trace_options::capacity, "trace.capacity",
                 rule::count{256, 100'000'000},
                 "Records held in memory, the oldest dropped first"));
  t.push_back(in(&o::log, &log_options::level, "log.level",
                 rule::choice{{"trace", "debug", "info", "warn", "error", "off"}},
                 "What is logged"));
  t.push_back(in(&o::log, &log_options::format, "log.format", rule::choice{{"text", "json"}},
                 "Lines for people or for programs"));
  t.push_back(in(&o::metrics, &metrics_options::enabled, "metrics.enabled", rule::flag{},
                 "Serve GET /metrics"));
}

} // namespace

const std::vector<setting<options>>& settings() {
  static const auto table = [] {
    settings_table t;
    add_node(t);
    add_gateway(t);
    add_edge(t);
    add_store(t);
    add_shard(t);
    add_session(t);
    add_admission(t);
    add_llm(t);
    add_embedding(t);
    add_work(t);
    add_cluster(t);
    add_rest(t);
    return t;
  }();
  return table;
}

const std::vector<setting<llm_deployment>>& deployment_settings() {
  using d = llm_deployment;
  constexpr rule::text url{rule::is_http_url,
                           "an http:// or https:// URL without user, password or query, such as "
                           "\"http://127.0.0.1:11434/v1\""};
  static const std::vector<setting<d>> table{
      required(key<d>("name", name, "Unique name", &d::name)),
      required(key<d>("base_url", url, "The provider's address, with the version", &d::base_url)),
      key<d>("model", rule::text{is_label, "text"}, "The provider's name of the model", &d::model),
      key<d>("api_key_env", rule::text{rule::is_variable, "the name of an environment variable"},
             "Environment variable that holds the key", &d::api_key_env),
      key<d>("api_key_file", path, "File that holds the key", &d::api_key_file),
      key<d>("ca_file", path, "PEM file of further trusted authorities", &d::ca_file),
      key<d>("max_concurrency", rule::count{1, 10'000}, "Generations at the same time, at most",
             &d::max_concurrency),
      key<d>("connect_timeout", up_to(5min), "Longest wait for a connection", &d::connect_timeout),
      key<d>("header_timeout", up_to(1h), "Longest wait for the head of an answer",
             &d::header_timeout),
      key<d>("idle_timeout", up_to(1h), "Longest wait between two pieces of an answer",
             &d::idle_timeout),
      key<d>("timeout", up_to(1h), "Longest time of a generation", &d::timeout),
  };
  return table;
}

const std::vector<setting<persona_options>>& persona_settings() {
  using p = persona_options;
  static const std::vector<setting<p>> table{
      required(key<p>("name", name, "Unique name; a client's model", &p::name)),
      key<p>("system_prompt", rule::text{rule::is_text, "text"}, "Who the persona is",
             &p::system_prompt),
      key<p>("model", rule::text{is_label, "text"},
             "Goes before the deployment's model; empty: the deployment's", &p::model),
      key<p>("temperature", rule::number{-1, 2}, "0 to 2; negative: the provider's default",
             &p::temperature),
      key<p>("llm", rule::list{"a list of deployment names"},
             "Deployments in order of preference; none: the builtin responder", &p::llm),
      key<p>("proactive_after", rule::duration{0s, 168h},
             "After so long a silence it speaks first to who listens; 0: never",
             &p::proactive_after),
      key<p>("proactive_per_hour", rule::count{0, 8}, "How often it may, within an hour",
             &p::proactive_per_hour),
  };
  return table;
}

std::string variable_of(std::string_view key) {
  std::string out = "SOTTO_";
  for (char c : key)
    out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

} // namespace sotto
