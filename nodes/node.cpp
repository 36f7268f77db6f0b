#include "nodes/node.hpp"

#include <csignal>
#include <thread>

#include <cblas.h>
#include <prometheus/text_serializer.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include "actors/admission.hpp"
#include "actors/analysers.hpp"
#include "actors/builtin_responder.hpp"
#include "actors/llm_connection.hpp"
#include "actors/llm_scheduler.hpp"
#include "actors/partition.hpp"
#include "actors/provider_embedding.hpp"
#include "actors/reembedder.hpp"
#include "actors/senses.hpp"
#include "actors/shard.hpp"
#include "actors/store_reader.hpp"
#include "actors/store_writer.hpp"
#include "nodes/cli.hpp"
#include "nodes/connection.hpp"
#include "nodes/file_watcher.hpp"
#include "nodes/http_server.hpp"
#include "nodes/memory_metrics.hpp"
#include "nodes/refusal_gate.hpp"
#include "nodes/work_lanes.hpp"
#include "runtime/logging.hpp"
#include "runtime/sqlite_store.hpp"

namespace sotto {

namespace {

/// How long open sockets are waited for after the last turn (nanoseconds).
constexpr int64_t shortest_goodbye = 500'000'000, longest_goodbye = 5'000'000'000;

/// A socket is a descriptor: as many as the system lets us have.
void raise_descriptor_limit(size_t wanted) {
  constexpr size_t for_files = 64;
  rlimit x{};
  if (getrlimit(RLIMIT_NOFILE, &x) != 0)
    return;
  x.rlim_cur = x.rlim_max;
  setrlimit(RLIMIT_NOFILE, &x);
  if (x.rlim_cur < wanted + for_files)
    spdlog::warn("node may have {} descriptors, fewer than gateway.max_connections needs; raise "
                 "`ulimit -Hn`",
                 x.rlim_cur);
}

/// The process's own figures, read when they are asked for.
void append_process(std::string& text) {
  text += fmt::format("# HELP process_resident_memory_bytes Resident memory\n"
                      "# TYPE process_resident_memory_bytes gauge\n"
                      "process_resident_memory_bytes {}\n",
                      read_process_figures().resident);
}

constexpr auto file_watch_interval = std::chrono::seconds{1};

class running_node final : public node {
public:
  explicit running_node(const options& with)
      : with_(with),
        services_(std::make_shared<node_services>(
            with.node.seed != 0 ? with.node.seed : entropy_seed(), with.trace.capacity)),
        config_(services_) {
    memory_ = make_account(with);
    services_->mailbox_bound = with.node.mailbox_bound;
    config_.set("scheduler.max-threads", worker_count(with));
  }

  ~running_node() override { stop(); }

  failure open() {
    if (auto why = check_lanes(with_))
      return why;
    // Made before the files are read: what changes from here on is seen.
    auto keys = watched_files{{with_.edge.keys_file}, [this] { door_->reload(); }};
    auto certificate = watched_files{{with_.edge.tls_certificate, with_.edge.tls_key},
                                     [this] { reload_certificate(); }};
    if (auto why = open_door())
      return why;
    openblas_set_num_threads(1); // an actor's work stays on its thread
    auto opened = open_sqlite_store(with_.store);
    if (!opened)
      return to_failure(opened.error());
    store_ = std::move(*opened);
    auto view = store_->view(), keeping_view = store_->view();
    if (!view || !keeping_view)
      return to_failure(view ? keeping_view.error() : view.error());
    load_senses();
    system_ = std::make_unique<caf::actor_system>(config_);
    gateway_ = std::make_shared<gateway_handles>(with_, *services_);
    start_store(std::move(*view), std::move(*keeping_view));
    start_work();
    start_models();
    start_partitions();
    auto overload = start_admission();
    gateway_->metrics_text = [this] { return metrics_text(); };
    auto server = http_server::open(
        reactor_,
        std::make_shared<gate>(gate{gateway_->with.limits, with_.edge, *door_, services_->wall,
                                    connect_sockets(*system_, gateway_), overload}),
        std::move(tls_));
    if (!server)
      return to_failure(server.error());
    server_ = std::move(*server);
    watch_files({std::move(keys), std::move(certificate)});
    return {};
  }

  std::string address() const override { return server_->address(); }

  bool drain() override {
    gateway_->draining = true;
    server_->stop();
    auto until = monotonic_nanos() + with_.node.drain_timeout.count();
    auto all = drain_admission(until);
    all = drain_partitions(until) && all;
    // Answers are on their way to their sockets, and memory calls to theirs.
    server_->drain(caf::timespan{
        std::clamp<int64_t>(until - monotonic_nanos(), shortest_goodbye, longest_goodbye)});
    drain_store();
    stop();
    return all;
  }

private:
  failure open_door() {
    door_ = std::make_unique<access>(with_.edge, with_.gateway.listen, services_->metrics);
    if (auto why = door_->open())
      return why;
    if (!with_.edge.tls())
      return {};
    auto made = make_tls_context(with_.edge);
    if (!made)
      return to_failure(made.error());
    tls_ = std::move(*made);
    return {};
  }

  void watch_files(std::vector<watched_files> files) {
    keep(system_->spawn<caf::detached>(file_watcher, std::move(files), file_watch_interval, [this] {
      if (door_->changed(services_->wall()))
        server_->check_callers();
    }));
  }

  void reload_certificate() {
    auto made = make_tls_context(with_.edge);
    if (!made)
      return spdlog::error("the certificate stays as it was: {}", to_failure(made.error()).message);
    spdlog::info("read the certificate in {} again", with_.edge.tls_certificate);
    server_->use(std::move(*made));
  }

  void load_senses() {
    auto folder = find_data_files(with_);
    if (auto x = emotion_engine::load(folder + "/emotion.bin"))
      emotion_engine_ = std::move(*x);
    else
      spdlog::warn("node runs without emotion: {}", to_failure(x.error()).message);
    if (auto x = sentence_embedder::load(folder + "/words.bin"))
      embedder_ = std::move(*x);
    else
      spdlog::warn("node recalls by words alone: {}", to_failure(x.error()).message);
    if (embedder_ && !with_.embedding.provider())
      embed_ = [x = embedder_](std::string_view text) { return x->embed(text); };
  }

  template <class T>
  T keep(T handle) {
    owned_.push_back(caf::actor_cast<caf::strong_actor_ptr>(handle));
    return handle;
  }

  //   partitions ─► sessions, shards ─► store writer, store reader (detached)
  void start_store(std::unique_ptr<store_view> view, std::unique_ptr<store_view> keeping_view) {
    writer_ = keep(system_->spawn<caf::detached>(store_writer, with_.store_writer, store_));
    // A checkpoint takes as long as the disk does: a reader of its own, so that no load waits.
    owners_ = keep(system_->spawn<caf::detached>(
        store_reader, with_.store_reader, std::shared_ptr<store_view>{std::move(keeping_view)},
        embed_function{}));
    auto loads_only = with_.store_reader;
    loads_only.maintain_every = caf::timespan{0};
    reader_ = keep(system_->spawn<caf::detached>(
        store_reader, loads_only, std::shared_ptr<store_view>{std::move(view)}, embed_));
  }

  void start_models() {
    auto local = keep(system_->spawn(builtin));
    auto connect = [this](caf::actor_system& system, const llm_deployment& to) -> llm_actor {
      auto server = parse_url(to.base_url);
      auto link = server ? make_http_link(reactor_, *server, to.ca_file)
                         : caf::expected<std::shared_ptr<http_link>>{server.error()};
      return system.spawn(llm_connection, to, *link);
    };
    gateway_->llm =
        keep(system_->spawn(llm_scheduler, with_.llm, local, connect_function{connect}));
  }

  void start_work() {
    places_ = start_work_places(*system_, reactor_, with_, [this](caf::strong_actor_ptr x) {
      owned_.push_back(std::move(x));
    });
  }

  /// The configured bounds of batches.
  template <class Operation>
  Operation limited(Operation what) const {
    auto& x = with_.work;
    what.limits = {x.max_items, x.min_items, x.max_window.count()};
    what.queue.bound = x.max_items_waiting;
    return what;
  }

  void start_senses() {
    auto count = [this](uint32_t wanted) { return wanted != 0 ? wanted : worker_count(with_); };
    for (uint32_t i = 0; i < count(with_.senses.emotion_actors); ++i)
      emotions_.push_back(
          keep(system_->spawn(emotion, limited(emotion_work(emotion_engine_)), places_)));
    for (uint32_t i = 0; i < count(with_.senses.embedding_actors); ++i)
      embeddings_.push_back(
          keep(system_->spawn(embedding, embedding_operation_of_node(), places_)));
  }

  embedding_operation embedding_operation_of_node() {
    if (!with_.embedding.provider())
      return limited(embedding_work(embedder_));
    if (!provider_) {
      auto link = with_.embedding.link();
      provider_ = keep(
          system_->spawn(provider_embedding, with_.embedding,
                         link_function{[this, link]() -> caf::expected<std::shared_ptr<http_link>> {
                           auto server = parse_url(link.base_url);
                           if (!server)
                             return server.error();
                           return make_http_link(reactor_, *server, link.ca_file);
                         }}));
    }
    auto what = embedding_work(with_.embedding, provider_);
    what.queue.bound = with_.work.max_items_waiting;
    return what;
  }

  std::shared_ptr<const session_parts> make_parts(uint32_t i) {
    auto parts = std::make_shared<session_parts>();
    parts->options = with_.session;
    parts->admission = with_.admission;
    parts->load = gateway_->load;
    parts->memory = memory_;
    for (auto& x : with_.personas)
      parts->personas[x.name] = x;
    parts->emotion = emotions_[i % emotions_.size()];
    parts->topics = keep(system_->spawn(analyser, limited(topics_work()), places_));
    for (auto& what : custom_analysers()) {
      auto name = what.name;
      parts->analysers.emplace_back(
          name, keep(system_->spawn(analyser, limited(std::move(what)), places_)));
    }
    parts->embedding = embeddings_[i % embeddings_.size()];
    parts->llm = gateway_->llm;
    gateway_->emotion = parts->emotion;
    gateway_->embedding = parts->embedding;
    gateway_->embeds_elsewhere = with_.embedding.provider();
    return parts;
  }

  void start_partitions() {
    // One set of helpers a worker: enough that none of them is what a turn waits for.
    start_senses();
    gateway_->emotions = emotions_;
    std::vector<std::shared_ptr<const session_parts>> parts;
    for (uint32_t i = 0; i < worker_count(with_); ++i)
      parts.push_back(make_parts(i));
    auto embedder =
        with_.embedding.provider() ? shard_embedder{embeddings_.front()} : shard_embedder{embed_};
    auto make_shard = [this, embedder](caf::actor_system& system) {
      return system.spawn<caf::lazy_init>(shard, with_.shard, writer_, reader_, embedder, memory_);
    };
    for (uint32_t i = 0; i < with_.node.partitions; ++i)
      gateway_->partitions.push_back(keep(system_->spawn<caf::lazy_init>(
          partition, parts[i % parts.size()], shard_factory{make_shard})));
    if (with_.embedding.provider())
      gateway_->reembed = keep(system_->spawn(
          reembedder, owners_, home_function{[to = gateway_->partitions](const owner_key& owner) {
            return memory_actor{to[partition_of(owner, static_cast<uint32_t>(to.size()))]};
          }}));
  }

  std::shared_ptr<refusal_gate> start_admission() {
    admission_parts parts;
    parts.options = with_.admission;
    parts.session = with_.session;
    parts.workers = worker_count(with_);
    parts.home = [to = gateway_.get()](const owner_key& owner) -> partition_actor {
      return to->home_of(owner);
    };
    parts.load = gateway_->load;
    parts.metrics = std::make_shared<admission_metrics>(services_->metrics);
    auto refused = [published = parts.metrics, to = gateway_.get()](priority level) {
      published->left(level, admission_metrics::way::early);
      to->metrics.answered(route::chat, 429, 0);
    };
    gateway_->admission = keep(system_->spawn(admission, std::move(parts)));
    return std::make_shared<refusal_gate>(reactor_.io(), gateway_->load,
                                          with_.admission.hold_refusals, refused);
  }

  std::string metrics_text() {
    auto text = prometheus::TextSerializer{}.Serialize(services_->metrics.Collect());
    text += prometheus::TextSerializer{}.Serialize(places_->metrics->Collect());
    append_process(text);
    append_memory(text, *memory_);
    text += fmt::format("# HELP sotto_messages_total Messages between actors\n"
                        "# TYPE sotto_messages_total counter\nsotto_messages_total {}\n"
                        "# HELP sotto_actors Actors that run\n"
                        "# TYPE sotto_actors gauge\nsotto_actors {}\n",
                        services_->flows.recorded(), system_->registry().running());
    if (server_)
      text += fmt::format("# HELP sotto_sockets Sockets that are open\n"
                          "# TYPE sotto_sockets gauge\nsotto_sockets {}\n",
                          server_->counts()->open.load());
    return text;
  }

  // Turns that wait still run; new ones are refused.
  bool drain_admission(int64_t until) {
    caf::scoped_actor self{*system_};
    auto all = true;
    auto left = caf::timespan{std::max<int64_t>(until - monotonic_nanos(), 1'000'000)};
    self->request(gateway_->admission, left, context{}, atom::drain_v)
        .receive([](atom::drained) {}, [&](caf::error&) { all = false; });
    return all;
  }

  // One after another: a partition without running turns answers at once.
  bool drain_partitions(int64_t until) {
    caf::scoped_actor self{*system_};
    auto all = true;
    for (auto& x : gateway_->partitions) {
      auto left = caf::timespan{std::max<int64_t>(until - monotonic_nanos(), 1'000'000)};
      self->request(x, left, context{}, atom::drain_v)
          .receive([](atom::drained) {}, [&](caf::error&) { all = false; });
    }
    return all;
  }

  void drain_store() {
    caf::scoped_actor self{*system_};
    self->request(writer_, with_.node.drain_timeout, context{}, atom::drain_v)
        .receive([](atom::drained) {},
                 [](caf::error& err) {
                   spdlog::error("store could not be flushed: {}", to_failure(err).message);
                 });
  }

  // The reactor first: nothing new comes in, and its handlers let go of their actors.
  void stop() {
    if (!system_)
      return;
    reactor_.stop();
    for (auto& x : owned_)
      caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
    // Connections that were cut still cancel their turns through the gateway.
    system_->await_all_actors_done();
    server_.reset(); // FILE WATCHER may have been at it
    if (gateway_) {
      gateway_->partitions.clear();
      gateway_->admission = admission_actor{};
      gateway_->emotion = emotion_actor{};
      gateway_->emotions.clear();
      gateway_->embedding = embedding_actor{};
      gateway_->llm = llm_actor{};
      gateway_->reembed = reembed_actor{};
    }
    owned_.clear();
    emotions_.clear();
    embeddings_.clear();
    provider_ = provider_embedding_actor{};
    places_.reset();
    writer_ = store_writer_actor{};
    reader_ = store_reader_actor{};
    owners_ = owner_list_actor{};
    gateway_.reset();
    system_.reset();
    if (store_)
      store_->close();
  }

  options with_;
  std::shared_ptr<node_services> services_;
  node_config config_;
  std::shared_ptr<memory_account> memory_;
  std::shared_ptr<store> store_;
  std::shared_ptr<const emotion_engine> emotion_engine_;
  std::shared_ptr<const sentence_embedder> embedder_;
  embed_function embed_;
  std::shared_ptr<const work_places> places_;
  std::unique_ptr<caf::actor_system> system_;
  reactor reactor_;
  store_writer_actor writer_;
  store_reader_actor reader_;
  owner_list_actor owners_;
  std::vector<emotion_actor> emotions_;
  std::vector<embedding_actor> embeddings_;
  provider_embedding_actor provider_;
  std::shared_ptr<gateway_handles> gateway_;
  std::unique_ptr<access> door_;
  http_server::tls_context tls_;
  std::shared_ptr<http_server> server_;
  std::vector<caf::strong_actor_ptr> owned_;
};

} // namespace

caf::expected<std::unique_ptr<node>> node::start(const options& with) {
  auto made = std::make_unique<running_node>(with);
  if (auto why = made->open())
    return to_error(why);
  return std::unique_ptr<node>{std::move(made)};
}

int run_node(const options& with) {
  start_logging(with.log);
  raise_descriptor_limit(with.gateway.max_connections);
  // Blocked before any thread starts, so that only `sigwait` sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  auto started = node::start(with);
  if (!started) {
    spdlog::error("node cannot start: {}", to_failure(started.error()).message);
    return exit_failure;
  }
  spdlog::info("node serves {}://{}", with.edge.tls() ? "https" : "http", (*started)->address());
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("node drains; a second signal ends it at once");
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  auto all = (*started)->drain();
  if (!all)
    spdlog::warn("node stopped with turns unfinished: they ran longer than node.drain_timeout");
  spdlog::info("node stopped");
  return exit_ok;
}

} // namespace sotto
