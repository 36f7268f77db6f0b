#include "actors/store_reader.hpp"

#include "test/fixture.hpp"
#include "test/store_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

namespace {

struct answer {
  memory_write what;
  failure why;
};

struct shard_double {
  static inline const char* name = "shard";
};

/// Takes what the reader sends; offers nothing else.
shard_actor::behavior_type shard(actor_of<shard_actor, shard_double>*, std::vector<answer>* out) {
  auto refuse = to_error({ec::unavailable, "only loads are taken here", {}});
  return {
      [=](const context&, atom::recall, const memory_query&) -> caf::result<std::vector<recalled>> {
        return refuse;
      },
      [=](const context&, atom::remember, const memory_write&) -> caf::result<memory_receipt> {
        return refuse;
      },
      [=](const context&, atom::list, const memory_page_query&) -> caf::result<memory_page> {
        return refuse;
      },
      [=](const context&, atom::remove, const owner_key&, const std::string&) -> caf::result<bool> {
        return refuse;
      },
      [](const context&, atom::forget, const spoken_by&) { return spoken_receipt{}; },
      [=](const context&, atom::forget, const owner_key&) -> caf::result<forget_receipt> {
        return refuse;
      },
      [](const context&, atom::committed, uint64_t, const failure&) {},
      [=](const context&, atom::recent, const owner_key&, const std::string&,
          uint32_t) -> caf::result<conversation_end> { return refuse; },
      [=](const context&, atom::journal, const turn_opening&) -> caf::result<turn_found> {
        return refuse;
      },
      [=](const context&, atom::summarise, const owner_key&, const summary_record&,
          uint64_t) -> caf::result<bool> { return refuse; },
      [out](const context&, atom::loaded, memory_write& x, failure& why) {
        out->push_back({std::move(x), std::move(why)});
      },
      [](const context&, atom::tick) {},
  };
}

std::shared_ptr<store_view> view_of(store& db) {
  auto result = db.view();
  REQUIRE(result);
  return std::move(*result);
}

/// Embeds a text as its length.
embed_function by_length() {
  return [](std::string_view text) { return std::vector<float>{static_cast<float>(text.size())}; };
}

} // namespace

TEST_CASE("a reader loads an owner and fills in the vectors that are not stored") {
  scratch dir;
  auto db = test::open(in(dir.path));
  auto x = insert("u", {row(1, "a", "one"), row(2, "b", "four")});
  x.vectors = {{9.0F}, {}};
  REQUIRE_FALSE(apply(*db, x));
  std::vector<answer> out;
  frozen_system sys;
  auto to = sys.spawn(shard, &out);
  auto reader = sys.spawn(store_reader, store_reader_options{}, view_of(*db), by_length());
  caf::anon_send(reader, sys.flow(), atom::load_v, to, owner_key{"acme", "u"});
  caf::anon_send(reader, sys.flow(), atom::load_v, to, owner_key{"acme", "stranger"});
  sys.run();
  REQUIRE(out.size() == 2);
  CHECK_FALSE(out[0].why);
  CHECK(ids(out[0].what) == std::vector<std::string>{"a", "b"});
  CHECK(out[0].what.vectors == std::vector<std::vector<float>>{{9.0F}, {4.0F}});
  CHECK_FALSE(out[1].why);
  CHECK(out[1].what.owner.owner == "stranger");
  CHECK(out[1].what.memories.empty());
}

TEST_CASE("a reader without an embedder leaves vectors empty") {
  scratch dir;
  auto db = test::open(in(dir.path));
  REQUIRE_FALSE(apply(*db, insert("u", {row(1, "a")})));
  std::vector<answer> out;
  frozen_system sys;
  auto to = sys.spawn(shard, &out);
  auto reader = sys.spawn(store_reader, store_reader_options{}, view_of(*db), embed_function{});
  caf::anon_send(reader, sys.flow(), atom::load_v, to, owner_key{"acme", "u"});
  sys.run();
  REQUIRE(out.size() == 1);
  CHECK(out[0].what.vectors == std::vector<std::vector<float>>{{}});
}

TEST_CASE("a reader gives an owner with many memories in parts") {
  scratch dir;
  auto db = test::open(in(dir.path));
  auto x = insert("u", {});
  for (uint64_t seq = 1; seq <= part_rows + 5; ++seq)
    x.memories.push_back(row(seq, fmt::format("m{}", seq), std::string(seq % 7, 'x')));
  REQUIRE_FALSE(apply(*db, x));
  std::vector<answer> out;
  frozen_system sys;
  auto to = sys.spawn(shard, &out);
  auto reader = sys.spawn(store_reader, store_reader_options{}, view_of(*db), by_length());
  owner_key owner{"acme", "u"};
  caf::anon_send(reader, sys.flow(), atom::load_v, to, owner);
  sys.run();
  REQUIRE(out.size() == 1);
  CHECK(out[0].what.memories.size() == part_rows);
  auto rest = sys.ask<memory_write>(reader, sys.flow(), atom::load_v, owner, part_rows);
  REQUIRE(rest);
  REQUIRE(rest->memories.size() == 5);
  CHECK(rest->memories[0].seq == part_rows + 1);
  CHECK(rest->vectors[4] == std::vector<float>{static_cast<float>((part_rows + 5) % 7)});
}

TEST_CASE("a reader says why an owner could not be read") {
  scratch dir;
  {
    auto db = test::open(in(dir.path));
    for (uint64_t i = 1; i <= 400; ++i)
      REQUIRE_FALSE(
          apply(*db, insert("u", {row(i, fmt::format("m{}", i), std::string(500, 'x'))})));
  }
  auto file = dir.path / "sotto.db";
  for (std::streamoff at = 7 * 4096; at < static_cast<std::streamoff>(fs::file_size(file));
       at += 4096)
    overwrite(file, at, std::string(512, '\x5a'));
  auto options = in(dir.path);
  options.check_bytes = 0;
  auto db = test::open(options);
  std::vector<answer> out;
  frozen_system sys;
  auto to = sys.spawn(shard, &out);
  auto reader = sys.spawn(store_reader, store_reader_options{}, view_of(*db), embed_function{});
  caf::anon_send(reader, sys.flow(), atom::load_v, to, owner_key{"acme", "u"});
  sys.run();
  REQUIRE(out.size() == 1);
  CHECK(out[0].why.code == ec::storage_failed);
  CHECK(out[0].what.owner.owner == "u");
  auto part =
      sys.ask<memory_write>(reader, sys.flow(), atom::load_v, owner_key{"acme", "u"}, uint64_t{1});
  REQUIRE_FALSE(part);
  CHECK(to_failure(part.error()).code == ec::storage_failed);
}

TEST_CASE("a load that waited past its deadline is answered as a failure") {
  scratch dir;
  auto db = test::open(in(dir.path));
  std::vector<answer> out;
  frozen_system sys;
  auto to = sys.spawn(shard, &out);
  auto reader = sys.spawn(store_reader, store_reader_options{}, view_of(*db), embed_function{});
  auto late = sys.flow(priority::normal, 5ms);
  sys.scheduler().advance_time(10ms);
  caf::anon_send(reader, late, atom::load_v, to, owner_key{"acme", "u"});
  sys.run();
  REQUIRE(out.size() == 1);
  CHECK(out[0].why.code == ec::timeout);
  CHECK(out[0].what.owner.owner == "u");
}

TEST_CASE("a reader empties the log when something was forgotten") {
  scratch dir;
  auto db = test::open(in(dir.path));
  frozen_system sys;
  auto reader = sys.spawn(store_reader, store_reader_options{}, view_of(*db), embed_function{});
  REQUIRE_FALSE(apply(*db, insert("u", {row(1, "a")})));
  sys.pass(250ms);
  CHECK(fs::file_size(dir.path / "sotto.db-wal") > 0);
  REQUIRE_FALSE(apply(*db, forget("u")));
  sys.pass(250ms);
  CHECK(fs::file_size(dir.path / "sotto.db-wal") == 0);
}
