// Time until an owner whom nobody holds in memory has their first answer, and how long another
// owner of the same partition waits meanwhile: owner_bench DATA_FOLDER STORE_FOLDER [POSTGRES_URL],
// one JSON line a size. DATA_FOLDER has words.bin.
#include <atomic>
#include <chrono>
#include <iostream>
#include <thread>

#include <caf/scoped_actor.hpp>

#include "actors/sentence_embedder.hpp"
#include "actors/shard.hpp"
#include "actors/store_reader.hpp"
#include "actors/store_writer.hpp"
#include "runtime/postgres.hpp"
#include "runtime/postgres_store.hpp"
#include "runtime/sqlite_store.hpp"
#include "test/bench/talk.hpp"

using namespace sotto;
using steady = std::chrono::steady_clock;
using embedder_ptr = std::shared_ptr<const sentence_embedder>;

namespace {

double ms_since(steady::time_point start) {
  return std::chrono::duration<double, std::milli>(steady::now() - start).count();
}

[[noreturn]] void stop(const std::string& why) {
  std::cerr << "owner_bench: " << why << '\n';
  std::exit(1);
}

owner_key owner_of(size_t memories) {
  return {"bench", fmt::format("user-{}", memories)};
}

/// Opens an empty store.
std::shared_ptr<store> open(const store_options& options) {
  if (options.url.empty())
    std::filesystem::remove_all(options.folder);
  else if (postgres::connection db; !db.open({options.url}))
    db.run("DROP SCHEMA IF EXISTS " + postgres::quoted_name(options.schema) + " CASCADE");
  auto result = options.url.empty() ? open_sqlite_store(options) : open_postgres_store(options);
  if (!result)
    stop(to_failure(result.error()).message);
  return std::move(*result);
}

void fill(store& to, size_t memories) {
  constexpr size_t at_once = 500;
  bench::talk talk{memories};
  for (size_t seq = 1; seq <= memories;) {
    store_write x;
    x.owner = owner_of(memories);
    for (size_t i = 0; i < at_once && seq <= memories; ++i, ++seq) {
      auto& m = x.memories.emplace_back();
      m.seq = seq;
      m.id = fmt::format("m{:012x}{:016x}", seq, seq * 0x9e3779b97f4a7c15);
      m.text = talk.next();
      m.own = seq % 2 == 0;
      m.speaker = m.own ? "companion" : x.owner.owner;
      m.conversation = "talk";
      m.created = 1'767'225'600'000'000;
    }
    if (auto why = to.apply({&x, 1}).front())
      stop(why.message);
  }
}

/// What a node has between a partition and its store.
struct half_node {
  half_node(const std::shared_ptr<store>& from, const embedder_ptr& words)
      : embed([words](std::string_view text) { return words->embed(text); }) {
    config.set("scheduler.policy", caf::atom("sharing"));
    config.set("scheduler.max-throughput", 50);
    config.set("scheduler.max-threads", 2);
    system = std::make_unique<caf::actor_system>(config);
    auto view = from->view();
    if (!view)
      stop(to_failure(view.error()).message);
    store_reader_options loads_only;
    loads_only.maintain_every = caf::timespan{0};
    auto writer = system->spawn<caf::detached>(store_writer, store_writer_options{}, from);
    auto reader = system->spawn<caf::detached>(
        store_reader, loads_only, std::shared_ptr<store_view>{std::move(*view)}, embed);
    home = system->spawn(shard, shard_options{}, writer, reader, shard_embedder{embed},
                         std::make_shared<memory_account>(), uint64_t{0});
    all = {caf::actor_cast<caf::actor>(writer), caf::actor_cast<caf::actor>(reader),
           caf::actor_cast<caf::actor>(home)};
  }

  ~half_node() {
    home = shard_actor{};
    for (auto& x : std::exchange(all, {}))
      caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
  }

  /// How long the answer took (ms).
  double recall(size_t memories) {
    caf::scoped_actor self{*system};
    memory_query query;
    query.owner = owner_of(memories);
    query.text = "the train was late";
    query.k = 5;
    auto start = steady::now();
    self->request(home, caf::infinite, services->new_flow(0, 0), atom::recall_v, query)
        .receive(
            [&](const std::vector<recalled>& x) {
              if (memories > 0 && x.empty())
                stop("nothing was recalled");
            },
            [](const caf::error& why) { stop(to_failure(why).message); });
    return ms_since(start);
  }

  std::shared_ptr<node_services> services = std::make_shared<node_services>(1);
  node_config config{services};
  embed_function embed;
  std::unique_ptr<caf::actor_system> system;
  shard_actor home;
  std::vector<caf::actor> all;
};

void measure(const char* engine, const std::shared_ptr<store>& from, const embedder_ptr& words,
             size_t memories) {
  constexpr int rounds = 7;
  std::vector<double> first, others;
  for (int i = 0; i < rounds; ++i) {
    half_node node{from, words};
    node.recall(0);
    std::atomic<bool> done = false;
    auto longest = 0.0;
    std::thread other{[&] {
      while (!done) {
        longest = std::max(longest, node.recall(0));
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
      }
    }};
    first.push_back(node.recall(memories));
    done = true;
    other.join();
    others.push_back(longest);
  }
  std::sort(first.begin(), first.end());
  std::sort(others.begin(), others.end());
  std::cout << fmt::format(
      R"({{"name":"owner_first_answer","engine":"{}","memories":{},"unit":"ms",)"
      R"("value":{:.1f},"best":{:.1f},"worst":{:.1f},"other_owner":{:.1f}}})",
      engine, memories, first[rounds / 2], first.front(), first.back(), others[rounds / 2])
            << std::endl;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 3)
    stop("two arguments, the folder of words.bin and one for a store, and maybe a database");
  auto words = sentence_embedder::load(std::string{argv[1]} + "/words.bin");
  if (!words)
    stop(to_failure(words.error()).message);
  store_options embedded;
  embedded.folder = argv[2];
  std::vector<store_options> engines{embedded};
  if (argc > 3) {
    engines.emplace_back().url = argv[3];
    engines.back().schema = "sotto_bench";
  }
  for (auto& options : engines) {
    auto from = open(options);
    for (size_t memories : {0, 1'000, 10'000, 100'000}) {
      fill(*from, memories);
      measure(options.url.empty() ? "sqlite" : "postgres", from, *words, memories);
    }
  }
  std::filesystem::remove_all(embedded.folder);
}
