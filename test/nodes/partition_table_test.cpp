#include "nodes/partition_table.hpp"

#include "test/actors/quiet_partition.hpp"
#include "test/fixture.hpp"

using namespace sotto;

namespace {

/// Only its handle is of use.
listened_partition_actor::behavior_type nobody(listened_partition_actor::pointer) {
  return test::quiet_partition<listened_partition_actor>([](const turn_request&) {});
}

} // namespace

TEST_CASE_METHOD(test::frozen_system,
                 "what lives here is reached only under the epoch that it was claimed with",
                 "[partition_table]") {
  auto away = spawn(nobody), home = spawn(nobody), anew = spawn(nobody);
  auto claims = std::make_shared<fence>("1");
  auto lease = std::make_shared<serving_lease>(claims);
  partition_table x;
  x.fill(4, away, lease);
  claims->allow(2, 7);
  x.set(2, home, true, 7);
  CHECK(x.at(2).first == away); // no lease yet
  lease->until(INT64_MAX);
  CHECK(x.at(2).first == home);
  CHECK(x.at(2).second);
  CHECK(x.at(1).first == away);
  claims->forbid_all();
  CHECK(x.at(2).first == away);
  CHECK_FALSE(x.at(2).second);
  // Claimed again, before PARTITION HOST has heard that it was lost.
  claims->allow(2, 8);
  CHECK(x.at(2).first == away);
  x.set(2, anew, true, 8);
  CHECK(x.at(2).first == anew);
  lease->until(INT64_MIN);
  CHECK(x.at(2).first == away);
  x.clear();
}

TEST_CASE_METHOD(test::frozen_system, "a node alone reaches everything as it was set",
                 "[partition_table]") {
  auto home = spawn(nobody);
  partition_table x;
  x.fill(2, {});
  x.set(1, home, true);
  CHECK(x.at(1).first == home);
  CHECK_FALSE(x.at(0).first);
  CHECK_FALSE(x.at(9).first);
  x.clear();
}
