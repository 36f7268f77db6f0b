// A million conversations in one process, as a node wires them (partitions, shards, helpers, the
// builtin responder, SQLite in a folder of its own), without sockets. One JSON line a measurement;
// how far it is, every few seconds, goes to the standard error.
//
//   sessions_bench DATA FOLDER [SESSIONS] [ACTIVE] [SECONDS] [MINUTES]
//
// MINUTES: how long the conversations may take to create (default 30); then it goes on with those
// there are.
#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <mimalloc.h>

#include "actors/builtin_responder.hpp"
#include "actors/partition.hpp"
#include "actors/senses.hpp"
#include "actors/shard.hpp"
#include "actors/store_reader.hpp"
#include "actors/store_writer.hpp"
#include "runtime/process_figures.hpp"
#include "runtime/sqlite_store.hpp"
#include "test/bench/talk.hpp"

namespace {

using namespace sotto;
using steady = std::chrono::steady_clock;

constexpr uint32_t partitions = 256;
/// Turns under way at once, as many as many sockets have.
constexpr size_t window = 256;
constexpr double progress_every = 10;

int64_t now() {
  return steady::now().time_since_epoch().count();
}

double seconds_since(int64_t start) {
  return static_cast<double>(now() - start) * 1e-9;
}

void report(const std::string& what, const char* unit, double value) {
  fmt::print("{{\"name\":\"sessions\",\"what\":\"{}\",\"unit\":\"{}\",\"value\":{:.2f}}}\n", what,
             unit, value);
  std::fflush(stdout);
}

[[noreturn]] void stop(const std::string& why) {
  fmt::print(stderr, "sessions_bench: {}\n", why);
  std::exit(1);
}

/// Where turns are counted, and the times of the last ones kept.
struct tally {
  std::atomic<size_t> sent{0}, done{0}, failed{0};
  std::vector<std::atomic<int64_t>> started, first, ended;

  explicit tally(size_t most) : started(most), first(most), ended(most) {}

  std::vector<double> millis(const std::vector<std::atomic<int64_t>>& to, size_t n) const {
    std::vector<double> result;
    for (size_t i = 0; i < n; ++i)
      if (to[i] != 0)
        result.push_back(static_cast<double>(to[i] - started[i]) * 1e-6);
    std::sort(result.begin(), result.end());
    return result;
  }
};

turn_client_actor::behavior_type counting_client(turn_client_actor::pointer, tally* to) {
  return {[=](const context&, atom::token, uint64_t ticket, const stream_piece& x) {
            if (x.offset == 0 && ticket < to->first.size())
              to->first[ticket] = now();
          },
          [](const context&, atom::resumed, uint64_t, bool) {},
          [=](const context&, atom::completed, uint64_t ticket, const turn_reply&) {
            if (ticket < to->ended.size())
              to->ended[ticket] = now();
            ++to->done;
          },
          [=](const context&, atom::failed, uint64_t, const failure& why) {
            if (to->failed++ == 0)
              fmt::print(stderr, "a turn failed: {}\n", why.message);
            ++to->done;
          }};
}

/// A node without its gateway.
class small_node {
public:
  small_node(const std::string& data, const std::string& folder, size_t owners_bytes)
      : services_(std::make_shared<node_services>(1)), config_(services_) {
    config_.set("scheduler.max-threads", size_t{2});
    store_options where;
    where.folder = folder;
    where.check_bytes = 0;
    auto opened = open_sqlite_store(where);
    if (!opened)
      stop(to_failure(opened.error()).message);
    store_ = std::move(*opened);
    system_ = std::make_unique<caf::actor_system>(config_);
    start(data, owners_bytes);
  }

  ~small_node() {
    for (auto& x : owned_)
      caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
    owned_.clear();
    parts_.clear();
    homes_.clear();
    places_.reset();
    client_ = turn_client_actor{};
    system_->await_all_actors_done();
    system_.reset();
    store_->close();
  }

  /// Says something in the conversation of user `i`, under `ticket`.
  void say(size_t i, uint64_t ticket, bool stream) {
    turn_request x;
    x.owner = {"default", fmt::format("user-{}", i)};
    x.conversation = x.speaker = x.owner.owner;
    x.persona = "companion";
    x.text = talk_.next();
    x.stream = stream;
    auto flow = services_->new_flow(now(), 60'000'000'000);
    auto& home = homes_[std::hash<owner_key>{}(x.owner) % homes_.size()];
    ++counts.sent;
    caf::anon_send(home, flow, atom::say_v, client_, ticket, std::move(x));
  }

  size_t under_way() const { return counts.sent - counts.done; }

  /// Waits until all turns are over.
  void finish() const {
    while (under_way() > 0)
      std::this_thread::sleep_for(std::chrono::microseconds{20});
  }

  /// Waits while there are as many under way as there may be, and then for some more to end, so
  /// that it need not wake up for each.
  void make_room() const {
    if (under_way() >= window)
      while (under_way() > window * 3 / 4)
        std::this_thread::sleep_for(std::chrono::microseconds{200});
  }

  node_services& services() { return *services_; }

  tally counts{100'000};
  std::shared_ptr<memory_account> memory = std::make_shared<memory_account>();

private:
  template <class T>
  T keep(T handle) {
    owned_.push_back(caf::actor_cast<caf::strong_actor_ptr>(handle));
    return handle;
  }

  void start(const std::string& data, size_t owners_bytes) {
    auto feelings = emotion_engine::load(data + "/emotion.bin");
    auto words = sentence_embedder::load(data + "/words.bin");
    auto view = store_->view();
    if (!feelings || !words || !view)
      stop("there is no emotion.bin and words.bin in " + data + "; run scripts/setup first");
    std::shared_ptr<const sentence_embedder> embedder = std::move(*words);
    embed_function embed = [embedder](std::string_view text) { return embedder->embed(text); };
    auto writer = keep(system_->spawn<caf::detached>(store_writer, store_writer_options{}, store_));
    auto reader =
        keep(system_->spawn<caf::detached>(store_reader, store_reader_options{},
                                           std::shared_ptr<store_view>{std::move(*view)}, embed));
    places_ = std::make_shared<work_places>();
    auto made = std::make_shared<session_parts>();
    made->personas["companion"].name = "companion";
    made->emotion = keep(system_->spawn(emotion, emotion_work(std::move(*feelings)), places_));
    made->topics = keep(system_->spawn(analyser, topics_work(), places_));
    made->embedding = keep(system_->spawn(embedding, embedding_work(embedder), places_));
    made->llm = keep(system_->spawn(builtin));
    made->memory = memory;
    // None is to leave while others are made, however slow the machine is.
    made->options.idle_timeout = std::chrono::hours{24};
    shard_options owners;
    owners.max_bytes = owners_bytes;
    auto make_shard = [this, owners, writer, reader, embed](caf::actor_system& system) {
      return system.spawn<caf::lazy_init>(shard, owners, writer, reader, shard_embedder{embed},
                                          memory, uint64_t{0});
    };
    for (uint32_t i = 0; i < partitions; ++i)
      homes_.push_back(keep(system_->spawn<caf::lazy_init>(
          partition, made, shard_factory{make_shard}, listened_partition_actor{})));
    client_ = keep(system_->spawn(counting_client, &counts));
  }

  std::shared_ptr<node_services> services_;
  node_config config_;
  std::shared_ptr<store> store_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<const work_places> places_;
  std::vector<std::shared_ptr<const session_parts>> parts_;
  std::vector<partition_actor> homes_;
  turn_client_actor client_;
  std::vector<caf::strong_actor_ptr> owned_;
  bench::talk talk_{7};
};

double resident() {
  mi_collect(true);
  return static_cast<double>(read_process_figures().resident);
}

int64_t processor_time() {
  return read_process_figures().cpu;
}

/// A first turn each of which hardly an owner stays loaded: memory is that of sessions alone.
/// Returns how many there are.
size_t create(small_node& node, size_t sessions, double most_seconds) {
  // The first turns of a process load what all share.
  constexpr size_t first_turns = 1000;
  for (size_t i = 0; i < first_turns; ++i) {
    node.say(sessions + i, ~uint64_t{0}, false);
    node.make_room();
  }
  node.finish();
  auto before = resident();
  auto held = node.memory->session_bytes.load();
  auto start = now(), cpu = processor_time();
  auto told = 0.0;
  size_t made = 0;
  for (; made < sessions; ++made) {
    auto since = seconds_since(start);
    if (since > most_seconds)
      break;
    if (since > told + progress_every) {
      told = since;
      fmt::print(stderr, "sessions_bench: {} of {} created in {:.0f} s, {:.0f} MB resident\n", made,
                 sessions, since, static_cast<double>(read_process_figures().resident) / 1e6);
    }
    node.say(made, ~uint64_t{0}, false);
    node.make_room();
  }
  node.finish();
  auto took = seconds_since(start);
  auto n = static_cast<double>(made);
  report("created, a first turn each", "sessions/s", n / took);
  report("created, processor time each", "us",
         static_cast<double>(processor_time() - cpu) / n * 1e-3);
  report("live", "sessions", static_cast<double>(node.memory->live.load()));
  report("a session (resident)", "bytes", (resident() - before) / n);
  report("a session (accounted)", "bytes",
         static_cast<double>(node.memory->session_bytes - held) / n);
  report("its state object", "bytes", sizeof(session_state));
  report("its actor object", "bytes", sizeof(actor_of<listened_session_actor, session_state>));
  return made;
}

/// One turn after another of conversations that are on disk only.
void wake(small_node& node, size_t sessions, size_t samples) {
  std::mt19937_64 random{11};
  for (size_t i = 0; i < samples; ++i) {
    node.counts.started[i] = now();
    node.say(random() % sessions, i, true);
    node.finish();
  }
  auto tell = [&](const char* what, std::vector<double> times) {
    if (times.empty())
      return;
    report(fmt::format("from the store to {}, p50", what), "ms", times[times.size() / 2]);
    report(fmt::format("from the store to {}, p99", what), "ms", times[times.size() * 99 / 100]);
  };
  tell("the first token", node.counts.millis(node.counts.first, samples));
  tell("the durable reply", node.counts.millis(node.counts.ended, samples));
}

void turns(small_node& node, size_t active, size_t seconds) {
  auto before = resident();
  auto held = node.memory->session_bytes + node.memory->owner_bytes;
  auto owners = node.memory->owner_bytes.load();
  for (size_t i = 0; i < active; ++i) {
    node.say(i, ~uint64_t{0}, false);
    node.make_room();
  }
  node.finish();
  auto n = static_cast<double>(active);
  auto now_held = node.memory->session_bytes + node.memory->owner_bytes;
  report("an active session and its loaded owner, 4 lines (resident)", "bytes",
         (resident() - before) / n);
  report("an active session and its loaded owner, 4 lines (accounted)", "bytes",
         static_cast<double>(now_held - held) / n);
  report("its loaded owner (accounted)", "bytes",
         static_cast<double>(node.memory->owner_bytes - owners) / n);
  std::mt19937_64 random{13};
  auto start = now(), cpu = processor_time();
  auto done = node.counts.done.load();
  while (seconds_since(start) < static_cast<double>(seconds)) {
    node.say(random() % active, ~uint64_t{0}, false);
    node.make_room();
  }
  node.finish();
  auto said = static_cast<double>(node.counts.done - done);
  report(fmt::format("turns, {} active", active), "turns/s", said / seconds_since(start));
  report(fmt::format("turns, {} active, processor time each", active), "us",
         static_cast<double>(processor_time() - cpu) / said * 1e-3);
}

} // namespace

int main(int count, char** words) {
  if (count < 3)
    stop("usage: sessions_bench DATA FOLDER [SESSIONS] [ACTIVE] [SECONDS] [MINUTES]");
  auto number = [&](int i, size_t otherwise) {
    return count > i ? static_cast<size_t>(std::stoull(words[i])) : otherwise;
  };
  auto sessions = number(3, 1'000'000), active = number(4, sessions / 10), seconds = number(5, 10),
       minutes = number(6, 30);
  auto check = [](const small_node& node) {
    if (node.counts.failed > 0)
      stop(fmt::format("{} turns failed", node.counts.failed.load()));
  };
  {
    small_node node{words[1], words[2], 64 << 10};
    sessions = create(node, sessions, static_cast<double>(minutes) * 60);
    active = std::min(active, sessions);
    check(node);
    fmt::print(stderr, "sessions_bench: ending all of them\n");
  }
  small_node node{words[1], words[2], shard_options{}.max_bytes};
  wake(node, sessions, std::min<size_t>(2000, sessions));
  turns(node, active, seconds);
  check(node);
  return 0;
}
