#include "nodes/node.hpp"

#include <thread>

#include <prometheus/text_serializer.h>
#include <spdlog/spdlog.h>

#include "actors/admission.hpp"
#include "actors/partition.hpp"
#include "actors/partition_host.hpp"
#include "actors/reembedder.hpp"
#include "actors/shard.hpp"
#include "actors/store_reader.hpp"
#include "actors/store_writer.hpp"
#include "nodes/connection.hpp"
#include "nodes/file_watcher.hpp"
#include "nodes/http_server.hpp"
#include "nodes/memory_metrics.hpp"
#include "nodes/native_port.hpp"
#include "nodes/node_cluster.hpp"
#include "nodes/node_models.hpp"
#include "nodes/node_senses.hpp"
#include "nodes/open_store.hpp"
#include "nodes/refusal_gate.hpp"
#include "nodes/work_lanes.hpp"

namespace sotto {

namespace {

/// How long open sockets are waited for after the last turn (nanoseconds).
constexpr int64_t shortest_goodbye = 500'000'000, longest_goodbye = 5'000'000'000;

/// The process's own figures, read when they are asked for.
void append_process(std::string& text) {
  auto figures = read_process_figures();
  text += fmt::format("# HELP process_resident_memory_bytes Resident memory\n"
                      "# TYPE process_resident_memory_bytes gauge\n"
                      "process_resident_memory_bytes {}\n"
                      "# HELP process_cpu_seconds_total Processor time of all threads\n"
                      "# TYPE process_cpu_seconds_total counter\n"
                      "process_cpu_seconds_total {:.3f}\n",
                      figures.resident, static_cast<double>(figures.cpu) / 1e9);
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
    auto frontends = native_.files();
    if (auto why = open_door())
      return why;
    if (auto why = native_.prepare())
      return why;
    if (auto why = cluster_.prepare(config_))
      return why;
    auto opened = open_store(with_.store, cluster_.writes());
    if (!opened)
      return to_failure(opened.error());
    store_ = std::move(*opened);
    auto view = store_->view(), keeping_view = store_->view();
    if (!view || !keeping_view)
      return to_failure(view ? keeping_view.error() : view.error());
    senses_.load(with_);
    system_ = std::make_unique<caf::actor_system>(config_);
    frame_.system = system_.get();
    gateway_ = std::make_shared<gateway_handles>(with_, *services_);
    start_store(std::move(*view), std::move(*keeping_view));
    start_work();
    start_models(frame_, *gateway_);
    if (auto why = cluster_.open(frame_, *gateway_))
      return why;
    start_partitions();
    auto overload = start_admission();
    gateway_->metrics_text = [this] { return metrics_text(); };
    auto server = http_server::open(
        reactor_,
        std::make_shared<gate>(gate{
            gateway_->with.limits, with_.edge, *door_, services_->wall,
            connect_sockets(*system_, gateway_), overload,
            [this](const refused_request& x, const char* why) { return trace_refusal(x, why); }}),
        std::move(tls_));
    if (!server)
      return to_failure(server.error());
    server_ = std::move(*server);
    if (auto why = native_.open(frame_, gateway_, *door_))
      return why;
    watch_files({std::move(keys), std::move(certificate), std::move(frontends)});
    auto scheme = with_.edge.tls() ? "https://" : "http://";
    return cluster_.join(frame_, *gateway_, host_, scheme + address(), native_.address());
  }

  std::string address() const override { return server_->address(); }

  bool drain() override {
    auto now = monotonic_nanos(), until = now + with_.node.drain_timeout.count();
    // New turns are still served, and find their way to wherever their partition is by then.
    cluster_.hand_over(*system_, *gateway_, now + with_.node.drain_timeout.count() / 2);
    gateway_->draining = true;
    server_->stop();
    native_.leave();
    // Turns that wait still run; new ones are refused.
    auto all = drained(gateway_->admission, until);
    all = drained(host_, until) && all;
    all = cluster_.finish_generations(until) && all;
    // Answers are on their way to their sockets, and memory calls to theirs.
    auto goodbye = [until] {
      return caf::timespan{
          std::clamp<int64_t>(until - monotonic_nanos(), shortest_goodbye, longest_goodbye)};
    };
    server_->drain(goodbye());
    native_.drain(goodbye());
    drain_store();
    cluster_.leave(*system_, *gateway_);
    stop();
    return all;
  }

private:
  failure open_door() {
    door_ = std::make_unique<access>(with_.edge, with_.gateway.listen, services_->metrics);
    if (!has_role(with_.cluster, "gateway"))
      door_->serve_operators_only();
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
    frame_.keep(
        system_->spawn<caf::detached>(file_watcher, std::move(files), file_watch_interval, [this] {
          if (door_->changed(services_->wall()))
            check_callers();
        }));
  }

  void check_callers() {
    server_->check_callers();
    native_.check_callers();
  }

  void reload_certificate() {
    auto made = make_tls_context(with_.edge);
    if (!made)
      return spdlog::error("the certificate stays as it was: {}", to_failure(made.error()).message);
    spdlog::info("read the certificate in {} again", with_.edge.tls_certificate);
    server_->use(std::move(*made));
  }

  //   partitions ─► sessions, shards ─► store writer, store reader (detached)
  void start_store(std::unique_ptr<store_view> view, std::unique_ptr<store_view> keeping_view) {
    writer_ = frame_.keep(system_->spawn<caf::detached>(store_writer, with_.store_writer, store_));
    // A checkpoint takes as long as the disk does: a reader of its own, so that no load waits.
    owners_ = frame_.keep(system_->spawn<caf::detached>(
        store_reader, with_.store_reader, std::shared_ptr<store_view>{std::move(keeping_view)},
        embed_function{}));
    auto loads_only = with_.store_reader;
    loads_only.maintain_every = caf::timespan{0};
    reader_ = frame_.keep(system_->spawn<caf::detached>(
        store_reader, loads_only, std::shared_ptr<store_view>{std::move(view)}, senses_.embed()));
  }

  void start_work() {
    places_ = start_work_places(*system_, reactor_, with_, [this](caf::strong_actor_ptr x) {
      frame_.owned.push_back(std::move(x));
    });
  }

  void start_partitions() {
    senses_.start(frame_, places_, *gateway_);
    // One set of helpers a worker: enough that none of them is what a turn waits for.
    std::vector<std::shared_ptr<const session_parts>> parts;
    for (uint32_t i = 0; i < worker_count(with_); ++i)
      parts.push_back(senses_.parts(frame_, places_, *gateway_, memory_, i));
    auto embedder = senses_.embedder();
    partition_host_parts host;
    host.make = [this, parts, embedder](uint32_t i, uint64_t epoch,
                                        listened_partition_actor successor) {
      auto make_shard = [this, embedder, epoch](caf::actor_system& system) {
        return system.spawn<caf::lazy_init>(shard, with_.shard, writer_, reader_, embedder, memory_,
                                            epoch);
      };
      return listened_partition_actor{system_->spawn<caf::lazy_init>(
          partition, parts[i % parts.size()], shard_factory{make_shard}, std::move(successor))};
    };
    host.publish = [to = gateway_.get()](uint32_t i, listened_partition_actor home, bool here,
                                         uint64_t epoch) {
      to->partitions.set(i, std::move(home), here, epoch);
    };
    host.writer = writer_;
    cluster_.complete(host, *gateway_);
    if (host.members_changed)
      host.members_changed = [this, others = std::move(host.members_changed)](auto& all) {
        others(all);
        native_.members(all);
      };
    host_ = frame_.keep(system_->spawn(partition_host, std::move(host), first_partitions()));
    // Nothing comes in before everything has its place.
    caf::scoped_actor self{*system_};
    self->request(host_, caf::infinite, context{}, atom::list_v)
        .receive([](uint32_t) {}, [](caf::error&) {});
    if (with_.embedding.provider())
      gateway_->reembed = frame_.keep(system_->spawn(
          reembedder, owners_, home_function{[to = gateway_.get()](const owner_key& owner) {
            return memory_actor{to->home_of(owner)};
          }}));
  }

  /// What is owned from the start: on a node alone, everything.
  std::vector<ownership> first_partitions() const {
    if (cluster_.on())
      return {};
    std::vector<ownership> all(with_.node.partitions);
    for (uint32_t i = 0; i < all.size(); ++i)
      all[i] = {i, ownership::state::owned, 0, {}};
    return all;
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
    gateway_->admission =
        frame_.keep_vital(system_->spawn(admission, std::move(parts)), "admission");
    return std::make_shared<refusal_gate>(reactor_.io(), gateway_->load,
                                          with_.admission.hold_refusals, refused);
  }

  /// Runs on the reactor's thread.
  std::string trace_refusal(const refused_request& x, const char* why) {
    auto now = monotonic_nanos();
    auto ctx = services_->new_flow(now, 0, x.level);
    ctx.tenant = x.tenant;
    if (auto given = context_from_traceparent(x.traceparent))
      ctx.join(*given);
    services_->flows.note(ctx, 0, "gateway", why, now, outcome::refused);
    return trace_id(ctx);
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
    if (native_.on())
      text += fmt::format("# HELP sotto_frontends C++ frontends that are linked\n"
                          "# TYPE sotto_frontends gauge\nsotto_frontends {}\n",
                          native_.open_sockets());
    return text;
  }

  /// Whether `who` was drained in time.
  template <class Actor>
  bool drained(const Actor& who, int64_t until) {
    caf::scoped_actor self{*system_};
    auto all = true;
    auto left = caf::timespan{std::max<int64_t>(until - monotonic_nanos(), 1'000'000)};
    self->request(who, left, context{}, atom::drain_v)
        .receive([](atom::drained) {}, [&](caf::error&) { all = false; });
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
    for (auto& x : frame_.owned)
      caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
    // Connections that were cut still cancel their turns through the gateway.
    system_->await_all_actors_done();
    server_.reset(); // FILE WATCHER may have been at it
    native_.close();
    if (gateway_) {
      gateway_->partitions.clear();
      gateway_->admission = admission_actor{};
      gateway_->turns = turn_home_actor{};
      gateway_->emotion = emotion_actor{};
      gateway_->emotions.clear();
      gateway_->embedding = embedding_actor{};
      gateway_->llm = llm_actor{};
      gateway_->llm_route = llm_route_actor{};
      gateway_->reembed = reembed_actor{};
      gateway_->membership = membership_actor{};
      gateway_->links = links_actor{};
    }
    frame_.owned.clear();
    host_ = partition_host_actor{};
    senses_.stop();
    places_.reset();
    writer_ = store_writer_actor{};
    reader_ = part_reader_actor{};
    owners_ = owner_list_actor{};
    gateway_.reset();
    system_.reset();
    if (store_)
      store_->close();
  }

  options with_;
  std::shared_ptr<node_services> services_;
  node_config config_;
  node_cluster cluster_{with_};
  std::shared_ptr<store> store_;
  node_senses senses_;
  std::shared_ptr<memory_account> memory_;
  std::shared_ptr<const work_places> places_;
  std::unique_ptr<caf::actor_system> system_;
  reactor reactor_;
  node_frame frame_{with_, reactor_};
  store_writer_actor writer_;
  part_reader_actor reader_;
  owner_list_actor owners_;
  partition_host_actor host_;
  std::shared_ptr<gateway_handles> gateway_;
  std::unique_ptr<access> door_;
  http_server::tls_context tls_;
  std::shared_ptr<http_server> server_;
  native_port native_{with_};
};

} // namespace

caf::expected<std::unique_ptr<node>> node::start(const options& with) {
  auto made = std::make_unique<running_node>(with);
  if (auto why = made->open())
    return to_error(why);
  return std::unique_ptr<node>{std::move(made)};
}

} // namespace sotto
