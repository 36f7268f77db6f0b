#include "actors/reembedder.hpp"

#include <map>

#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;

namespace {

/// Owners with memories that lack vectors; who is woken gets one at a time.
struct fake_owners {
  std::map<std::string, uint64_t> missing;
  std::vector<std::string> woken;
  std::vector<priority> levels;
  bool fails = false;
  bool provider_works = true;
};

owner_list_actor::behavior_type owner_list(owner_list_actor::pointer, fake_owners* from) {
  return {[=](const context&, atom::list, const owner_key& after,
              uint32_t limit) -> caf::result<std::vector<owner_vectors>> {
    if (from->fails)
      return to_error({ec::storage_failed, "broken on purpose", {}});
    std::vector<owner_vectors> page;
    for (auto& [name, missing] : from->missing)
      if (name > after.owner && page.size() < limit)
        page.push_back({{"acme", name}, missing});
    return page;
  }};
}

memory_actor::behavior_type home(memory_actor::pointer, fake_owners* to) {
  auto refuse = to_error({ec::unavailable, "only lists are taken here", {}});
  return {[=](const context&, atom::recall,
              const memory_query&) -> caf::result<std::vector<recalled>> { return refuse; },
          [=](const context&, atom::remember, const memory_write&) -> caf::result<memory_receipt> {
            return refuse;
          },
          [=](const context& ctx, atom::list, const memory_page_query& x) {
            to->woken.push_back(x.owner.owner);
            to->levels.push_back(ctx.level);
            auto& missing = to->missing[x.owner.owner];
            missing -= to->provider_works && missing > 0 ? 1 : 0;
            return memory_page{};
          },
          [=](const context&, atom::remove, const owner_key&,
              const std::string&) -> caf::result<bool> { return refuse; },
          [](const context&, atom::forget, const spoken_by&) { return spoken_receipt{}; },
          [=](const context&, atom::forget, const owner_key&) -> caf::result<forget_receipt> {
            return refuse;
          }};
}

struct reembed_fixture : test::frozen_system {
  reembed_fixture() {
    auto to = spawn(home, &owners);
    what = spawn(reembedder, spawn(owner_list, &owners),
                 home_function{[to](const owner_key&) { return to; }});
  }

  reembed_progress start() { return *ask<reembed_progress>(what, flow(), atom::run_v); }
  reembed_progress progress() { return *ask<reembed_progress>(what, flow(), atom::list_v); }

  void pass_all(caf::timespan time) {
    for (caf::timespan gone{0}; gone < time; gone += 250ms)
      pass(250ms);
  }

  fake_owners owners;
  reembed_actor what;
};

using phase = reembed_progress::phase;

} // namespace

TEST_CASE_METHOD(reembed_fixture, "owners never in use are woken until they have their vectors") {
  for (int i = 0; i < 200; ++i)
    owners.missing[std::to_string(1000 + i)] = i % 3 == 0 ? 2 : 0;
  CHECK(progress().at == phase::idle);
  CHECK(start().at == phase::running);
  CHECK(start().at == phase::running); // the same pass
  pass_all(20s);
  auto x = progress();
  CHECK(x.at == phase::done);
  CHECK(x.owners == 200);
  CHECK(x.embedded == 134);
  CHECK(x.left == 0);
  CHECK(owners.woken.size() == 134);
  for (auto level : owners.levels)
    CHECK(level == priority::background);
}

TEST_CASE_METHOD(reembed_fixture, "a pass that stopped is taken up by the next") {
  for (int i = 0; i < 300; ++i)
    owners.missing[std::to_string(1000 + i)] = 1;
  owners.provider_works = false;
  start();
  pass_all(200s);
  CHECK(progress().at == phase::stopped);
  CHECK(progress().left == 192); // three pages
  owners.provider_works = true;
  start();
  pass_all(20s);
  CHECK(progress().at == phase::done);
  CHECK(progress().embedded == 300);
}

TEST_CASE_METHOD(reembed_fixture, "a pass says that the store failed") {
  owners.fails = true;
  start();
  run();
  CHECK(progress().at == phase::stopped);
  CHECK(progress().why == "broken on purpose");
}
