// The embedded store on this disk, and PostgreSQL where its URL is given: one JSON line a
// measurement.
#include <chrono>
#include <iostream>

#include "runtime/postgres.hpp"
#include "runtime/postgres_store.hpp"
#include "runtime/random.hpp"
#include "runtime/sqlite_store.hpp"

using namespace sotto;
using steady = std::chrono::steady_clock;

namespace {

double seconds_since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}

[[noreturn]] void stop(const std::string& why) {
  std::cerr << why << '\n';
  std::exit(1);
}

/// Opens an empty store.
std::unique_ptr<store> open(const store_options& options) {
  auto embedded = options.url.empty();
  if (embedded)
    std::filesystem::remove_all(options.folder);
  else if (postgres::connection db; !db.open({options.url}))
    db.run("DROP SCHEMA IF EXISTS " + postgres::quoted_name(options.schema) + " CASCADE");
  auto result = embedded ? open_sqlite_store(options) : open_postgres_store(options);
  if (!result)
    stop(to_failure(result.error()).message);
  return std::move(*result);
}

/// Makes writes of `rows` memories of about 150 bytes each, for one of `owners`.
class source {
public:
  explicit source(size_t owners) : seqs_(owners, 0) {}

  store_write next(size_t rows) {
    auto owner = random_() % seqs_.size();
    store_write x;
    x.owner = {"bench", fmt::format("user-{}", owner)};
    for (size_t i = 0; i < rows; ++i) {
      memory m;
      m.id = fmt::format("{:016x}", random_());
      m.text =
          fmt::format("{:016x} we went to the lake on a windy day and talked for hours", random_());
      m.speaker = "alex";
      m.conversation = "evening";
      m.created = 1'767'225'600'000'000;
      m.seq = ++seqs_[owner];
      x.memories.push_back(std::move(m));
    }
    return x;
  }

private:
  splitmix random_{7};
  std::vector<uint64_t> seqs_;
};

struct figures {
  double rows_per_second;
  double p50;
  double p99;
};

/// Commits for about two seconds, in batches of `writes` writes of `rows` rows.
figures measure(store& to, source& from, size_t writes, size_t rows, store_view& view) {
  std::vector<double> took;
  double busy = 0;
  size_t count = 0, since = 0;
  std::vector<store_write> batch;
  while (busy < 2) {
    batch.clear();
    for (size_t i = 0; i < writes; ++i)
      batch.push_back(from.next(rows));
    auto start = steady::now();
    auto results = to.apply(batch);
    auto seconds = seconds_since(start);
    for (auto& x : results)
      if (x)
        stop(x.message);
    took.push_back(seconds);
    busy += seconds;
    count += writes * rows;
    if ((since += writes * rows) >= 20'000) {
      since = 0;
      (void)view.maintain();
    }
  }
  std::sort(took.begin(), took.end());
  return {static_cast<double>(count) / busy, took[took.size() / 2], took[took.size() * 99 / 100]};
}

const char* engine(const store_options& options) {
  return options.url.empty() ? "sqlite" : "postgres";
}

void write_speed(const store_options& options, size_t owners, size_t batch) {
  auto db = open(options);
  auto view = db->view();
  if (!view)
    stop(to_failure(view.error()).message);
  source from{owners};
  auto x = measure(*db, from, batch, 1, **view);
  std::cout << fmt::format(
      R"({{"name":"store_write","engine":"{}","batch":{},"owners":{},"unit":"rows/s","value":{:.0f},"p50_ms":{:.3f},"p99_ms":{:.3f}}})",
      engine(options), batch, owners, x.rows_per_second, x.p50 * 1e3, x.p99 * 1e3)
            << std::endl;
  view->reset();
}

void load_speed(const store_options& options, size_t memories) {
  auto db = open(options);
  source from{1};
  for (size_t done = 0; done < memories; done += 100) {
    auto x = from.next(100);
    if (auto results = db->apply({&x, 1}); results.front())
      stop(results.front().message);
  }
  auto view = db->view();
  if (!view)
    stop(to_failure(view.error()).message);
  std::vector<double> took;
  for (int i = 0; i < 21; ++i) {
    auto start = steady::now();
    auto x = (*view)->load({"bench", "user-0"});
    took.push_back(seconds_since(start));
    if (!x || x->memories.size() != memories)
      stop("the owner was not loaded");
  }
  std::sort(took.begin(), took.end());
  std::cout << fmt::format(
      R"({{"name":"store_load","engine":"{}","memories":{},"unit":"ms","value":{:.3f}}})",
      engine(options), memories, took[took.size() / 2] * 1e3)
            << std::endl;
  view->reset();
}

} // namespace

int main(int argc, char** argv) {
  store_options embedded;
  embedded.folder = argc > 1 ? argv[1] : "build/store_bench.data";
  std::vector<store_options> engines{embedded};
  if (argc > 2) {
    engines.emplace_back().url = argv[2];
    engines.back().schema = "sotto_bench";
  }
  for (auto& options : engines) {
    for (size_t owners : {20, 1000})
      for (size_t batch : {1, 10, 100, 1000})
        write_speed(options, owners, batch);
    for (size_t memories : {100, 1000, 10'000})
      load_speed(options, memories);
  }
  std::filesystem::remove_all(embedded.folder);
}
