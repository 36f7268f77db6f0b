#include "runtime/postgres_cluster.hpp"

#include <cstdlib>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "runtime/clock.hpp"
#include "runtime/postgres_cluster_rows.hpp"

namespace sotto {

namespace {

using postgres::parameters;
using postgres::statement;

/// Nodes understand the messages of the release before and the one behind.
constexpr uint32_t protocol_distance = 1;

// A lease that has ended all the same: the node was away, and is back.
constexpr statement renew{R"(
  WITH late AS (INSERT INTO departures(name, incarnation, why, at)
    SELECT name, incarnation, 'lease lost', seen + lease FROM nodes
    WHERE name = $1 AND incarnation = $2::uuid AND seen + lease <= now())
  UPDATE nodes SET seen = now(), load = $3::jsonb WHERE name = $1 AND incarnation = $2::uuid)",
                          "cluster_renew"};

constexpr statement all_nodes{R"(
  SELECT name, incarnation::text, http, link, array_to_string(roles, ','), capacity::text, version,
    protocol, state = 'draining', coalesce(load::text, ''),
    greatest(0, extract(epoch FROM seen + lease - now()) * 1000000000)::bigint, native
  FROM nodes ORDER BY name)",
                              "cluster_nodes"};

// Who does not say so is away since its lease ended.
constexpr statement last_departures{R"(
  SELECT name, incarnation::text, why, (extract(epoch FROM at) * 1000000)::bigint FROM (
    (SELECT name, incarnation, why, at FROM departures ORDER BY number DESC LIMIT 20)
    UNION ALL SELECT name, incarnation, 'lease lost', seen + lease FROM nodes
      WHERE seen + lease <= now()) x
  WHERE at > now() - interval '1 day' ORDER BY at DESC, name LIMIT 20)",
                                    "cluster_departures"};

constexpr statement time_there{"SELECT now()::text", "cluster_time"};

// What has changed since the look before, of which $1 is the time. A change that is a little older
// may have been committed since, by a transaction that began before.
constexpr statement changed_partitions{R"(
  SELECT number, coalesce(node, ''), coalesce(incarnation::text, ''), epoch, coalesce(wanted, ''),
    greatest(0, extract(epoch FROM now() - changed) * 1000000000)::bigint
  FROM partitions WHERE $1::text = '' OR changed > $1::text::timestamptz - interval '30 s'
  ORDER BY number)",
                                       "cluster_partitions"};

// Rows are locked in order, so that claims do not wait for each other in a circle. A row that
// somebody else has locked is about to be claimed, or written by an owner that is not live any
// more: it is left for the next look.
constexpr statement claim_rows{R"(
  WITH asked AS (SELECT * FROM unnest($3::bigint[], $4::bigint[]) AS x(number, epoch)),
  free AS (
    SELECT p.number, p.epoch FROM partitions p JOIN asked a USING (number, epoch)
    WHERE p.node IS NULL OR (p.node = $1 AND p.incarnation = $2::uuid) OR NOT EXISTS (
      SELECT FROM nodes n WHERE n.name = p.node AND n.incarnation = p.incarnation
        AND n.seen + n.lease > now())
    ORDER BY p.number FOR UPDATE OF p SKIP LOCKED)
  UPDATE partitions p SET node = $1, incarnation = $2::uuid, epoch = p.epoch + 1, wanted = NULL,
    changed = now()
  FROM free f WHERE p.number = f.number AND p.epoch = f.epoch AND EXISTS (
    SELECT FROM nodes n WHERE n.name = $1 AND n.incarnation = $2::uuid AND n.state = 'up'
      AND n.seen + n.lease > now())
  RETURNING p.number, p.epoch)",
                               "cluster_claim"};

constexpr statement want_rows{R"(
  WITH asked AS (SELECT * FROM unnest($2::bigint[], $3::bigint[]) AS x(number, epoch)),
  theirs AS (
    SELECT p.number, p.epoch FROM partitions p JOIN asked a USING (number, epoch)
    WHERE p.node <> $1 AND (p.wanted IS NULL OR NOT EXISTS (
      SELECT FROM nodes n WHERE n.name = p.wanted AND n.state = 'up' AND n.seen + n.lease > now()))
    ORDER BY p.number FOR NO KEY UPDATE OF p)
  UPDATE partitions p SET wanted = $1, changed = now()
  FROM theirs t WHERE p.number = t.number AND p.epoch = t.epoch)",
                              "cluster_want"};

constexpr statement release_rows{R"(
  WITH asked AS (SELECT * FROM unnest($2::bigint[], $3::bigint[]) AS x(number, epoch)),
  ours AS (
    SELECT p.number, p.epoch FROM partitions p JOIN asked a USING (number, epoch)
    WHERE p.incarnation = $1::uuid ORDER BY p.number FOR UPDATE OF p)
  UPDATE partitions p SET node = NULL, incarnation = NULL, changed = now()
  FROM ours o WHERE p.number = o.number AND p.epoch = o.epoch)",
                                 "cluster_release"};

} // namespace

postgres_cluster::postgres_cluster(postgres::target to, caf::timespan longest, reactor& on)
    : to_(std::move(to)), longest_(longest.count()),
      channel_(to_.schema.empty() ? "sotto_cluster" : to_.schema + "_cluster"), watch_(on) {
  to_.connect_timeout = longest / 4;
  to_.answer_timeout = longest / 2;
}

failure postgres_cluster::connect() {
  if (db_.alive())
    return {};
  auto start = monotonic_nanos();
  auto with = to_;
  // Set below, in one go with the rest.
  with.schema.clear();
  if (auto why = db_.open(with))
    return why;
  looked_.clear();
  db_.run(postgres::notice_loss); // what is lost here is found by the next
  // Whoever is stopped in the middle of joining must not hold up the others.
  auto sql =
      "SET idle_in_transaction_session_timeout = '5s'; LISTEN " + postgres::quoted_name(channel_);
  if (!to_.schema.empty())
    sql += "; SET search_path TO " + postgres::quoted_name(to_.schema);
  auto done = db_.run(sql);
  if (!done.ok()) {
    db_.close();
    return done.why();
  }
  if (monotonic_nanos() - start > longest_ / 2)
    return {ec::unavailable, postgres::describe(to_.url) + ": connected, but slowly", {}};
  return {};
}

/// COMMIT is one of the statements: that it was done is answered by itself, not only understood.
caf::expected<std::vector<postgres::result>>
postgres_cluster::transact(std::vector<work> statements) {
  watch_.pause();
  if (auto why = connect()) {
    after_call();
    return to_error(why);
  }
  db_.queue({"BEGIN"});
  for (auto& x : statements)
    db_.queue(x.what, x.with);
  db_.queue({"COMMIT"});
  auto results = db_.collect();
  for (auto& x : results) {
    if (x.ok())
      continue;
    auto why = x.why();
    // It may stand in the middle of the transaction.
    db_.close();
    after_call();
    return to_error(why);
  }
  after_call();
  results.erase(results.begin());
  return results;
}

failure postgres_cluster::transact_only(std::vector<work> statements) {
  auto done = transact(std::move(statements));
  return done ? failure{} : to_failure(done.error());
}

/// What came in meanwhile is told; of what we did ourselves we know.
void postgres_cluster::after_call() {
  bool news = false;
  while (db_.alive()) {
    auto x = db_.wait(caf::timespan{0});
    if (!x)
      break;
    news |= x->payload != self_.incarnation;
  }
  watch_.arm(db_.socket());
  if (news)
    watch_.tell();
}

postgres_cluster::work postgres_cluster::notify() const {
  return {{"SELECT pg_notify($1::text, $2::text)", "cluster_notify"},
          parameters{}.text(channel_).text(self_.incarnation)};
}

caf::expected<join_outcome> postgres_cluster::join(const cluster_identity& cluster,
                                                   const cluster_node& self, caf::timespan lease) {
  watch_.pause();
  self_ = self;
  looked_.clear();
  auto result = [&]() -> caf::expected<join_outcome> {
    if (auto why = connect())
      return to_error(why);
    return enter(cluster, self, lease);
  }();
  if (!result)
    db_.close();
  after_call();
  return result;
}

failure postgres_cluster::check(const cluster_identity& cluster, const cluster_node& self) {
  auto found = db_.run("SELECT partitions, coalesce(ca, '') FROM cluster");
  auto others =
      db_.run({"SELECT name, protocol FROM nodes WHERE seen + lease > now() AND name <> $1::text"},
              parameters{}.text(self.name));
  for (auto x : {&found, &others})
    if (!x->ok())
      return x->why();
  auto where = postgres::describe(to_.url);
  if (found.rows() != 1)
    return {ec::invalid, where + ": the table cluster is empty: the schema is not Sotto's", {}};
  if (found.number(0, 0) != cluster.partitions)
    return {ec::invalid,
            fmt::format("{}: this cluster has {} partitions, node.partitions says {}", where,
                        found.number(0, 0), cluster.partitions),
            "node.partitions"};
  for (int i = 0; i < others.rows(); ++i) {
    auto theirs = others.number(i, 1);
    if (std::abs(theirs - static_cast<int64_t>(self.protocol)) > protocol_distance)
      return {ec::invalid,
              fmt::format("node {} speaks version {} of the messages between nodes, this one {}: "
                          "upgrade one release after the other",
                          others.text(i, 0), theirs, self.protocol),
              {}};
  }
  auto ca = found.text(0, 1);
  if (cluster.ca.empty() || ca == cluster.ca)
    return {};
  if (!ca.empty() && others.rows() > 0)
    return {ec::invalid,
            fmt::format("{}: the nodes that run there ({} and others) trust another CA ({}...): "
                        "this is another cluster's database; give each cluster its own "
                        "store.schema, or this node that CA",
                        where, others.text(0, 0), ca.substr(0, 16)),
            "cluster.ca"};
  return db_.run({"UPDATE cluster SET ca = $1::text"}, parameters{}.text(cluster.ca)).why();
}

caf::expected<join_outcome> postgres_cluster::enter(const cluster_identity& cluster,
                                                    const cluster_node& self, caf::timespan lease) {
  postgres::transaction all{db_};
  if (auto begun = all.begin(); !begun.ok())
    return to_error(begun.why());
  // The same lock as for migrations: one after the other.
  auto locked = db_.run({"SELECT pg_advisory_xact_lock(hashtext('sotto'), hashtext($1::text))"},
                        parameters{}.text(to_.schema));
  if (!locked.ok())
    return to_error(locked.why());
  if (auto why = check(cluster, self))
    return to_error(why);
  auto before = db_.run(
      {"SELECT incarnation::text, link, extract(epoch FROM seen + lease - now()) * 1000000000 "
       "FROM nodes WHERE name = $1::text AND incarnation <> $2::uuid AND seen + lease > now() "},
      parameters{}.text(self.name).text(self.incarnation));
  if (!before.ok())
    return to_error(before.why());
  if (before.rows() > 0)
    return join_outcome{std::max<int64_t>(before.number(0, 2), 1), std::string{before.text(0, 0)},
                        std::string{before.text(0, 1)}};
  db_.queue(
      {"INSERT INTO departures(name, incarnation, why, at) SELECT name, incarnation, "
       "'lease lost', seen + lease FROM nodes WHERE name = $1::text AND seen + lease <= now()"},
      parameters{}.text(self.name));
  db_.queue({R"(
    INSERT INTO nodes(name, incarnation, http, link, roles, capacity, version, protocol, state,
      lease, native, started, seen)
    VALUES($1, $2::uuid, $3, $4, $5, $6, $7, $8, 'up', $9 * interval '1 ms', $10, now(), now())
    ON CONFLICT(name) DO UPDATE SET incarnation = excluded.incarnation, http = excluded.http,
      link = excluded.link, native = excluded.native, roles = excluded.roles, capacity = excluded.capacity,
      version = excluded.version, protocol = excluded.protocol, state = 'up', load = NULL,
      lease = excluded.lease, started = now(), seen = now())"},
            parameters{}
                .text(self.name)
                .text(self.incarnation)
                .text(self.http)
                .text(self.link)
                .texts(self.roles)
                .real(self.capacity)
                .text(self.version)
                .number(self.protocol)
                .number(lease.count() / 1'000'000)
                .text(self.native));
  // Names that nobody has used for long.
  db_.queue({"DELETE FROM nodes n WHERE seen < now() - interval '7 days' AND NOT EXISTS "
             "(SELECT FROM partitions p WHERE p.node = n.name)"});
  db_.queue({"DELETE FROM departures WHERE at < now() - interval '7 days' OR number <= "
             "(SELECT max(number) FROM departures) - 1000"});
  auto note = notify();
  db_.queue(note.what, note.with);
  for (auto& x : db_.collect())
    if (!x.ok())
      return to_error(x.why());
  if (auto done = all.commit(); !done.ok())
    return to_error(done.why());
  return join_outcome{};
}

caf::expected<cluster_look> postgres_cluster::look(bool renews, const cluster_load& load) {
  // A new connection reads all: who knows what was missed.
  auto since = db_.alive() ? looked_ : std::string{};
  std::vector<work> statements;
  if (renews)
    statements.push_back(
        {renew, parameters{}.text(self_.name).text(self_.incarnation).text(text_of(load))});
  statements.push_back({all_nodes, {}});
  statements.push_back({changed_partitions, parameters{}.text(since)});
  statements.push_back({time_there, {}});
  statements.push_back({last_departures, {}});
  auto done = transact(std::move(statements));
  if (!done)
    return done.error();
  size_t first = renews ? 1 : 0;
  looked_ = (*done)[first + 2].text(0, 0);
  cluster_look result;
  auto& nodes = (*done)[first];
  auto& rows = (*done)[first + 1];
  for (int i = 0; i < nodes.rows(); ++i) {
    result.members.push_back(read_member(nodes, i));
    auto& x = result.members.back();
    result.known |= x.name == self_.name && x.incarnation == self_.incarnation;
  }
  for (int i = 0; i < rows.rows(); ++i)
    result.partitions.push_back(read_partition(rows, i));
  auto& gone = (*done)[first + 3];
  for (int i = 0; i < gone.rows(); ++i)
    result.departures.push_back({std::string{gone.text(i, 0)}, std::string{gone.text(i, 1)},
                                 std::string{gone.text(i, 2)}, gone.number(i, 3)});
  return result;
}

caf::expected<std::vector<partition_epoch>>
postgres_cluster::claim(std::span<const partition_epoch> partitions) {
  auto with = parameters{}.text(self_.name).text(self_.incarnation);
  auto done = transact({{claim_rows, add(with, partitions)}, notify()});
  if (!done)
    return done.error();
  std::vector<partition_epoch> result;
  auto& rows = done->front();
  for (int i = 0; i < rows.rows(); ++i)
    result.push_back(
        {static_cast<uint32_t>(rows.number(i, 0)), static_cast<uint64_t>(rows.number(i, 1))});
  return result;
}

failure postgres_cluster::want(std::span<const partition_epoch> partitions) {
  auto with = parameters{}.text(self_.name);
  return transact_only({{want_rows, add(with, partitions)}, notify()});
}

failure postgres_cluster::release(std::span<const partition_epoch> partitions) {
  auto with = parameters{}.text(self_.incarnation);
  return transact_only({{release_rows, add(with, partitions)}, notify()});
}

failure postgres_cluster::drain(const std::string& node, bool on) {
  auto with = parameters{}.text(node).text(on ? "draining" : "up");
  // To be heard by ourselves too.
  auto done = transact({{{"UPDATE nodes SET state = $2::text WHERE name = $1::text"}, with},
                        {{"SELECT pg_notify($1::text, '')"}, parameters{}.text(channel_)}});
  if (!done)
    return to_failure(done.error());
  if (done->front().changed() == 0)
    return {ec::not_found, fmt::format("there is no node named {} in the cluster", node), "node"};
  return {};
}

failure postgres_cluster::leave() {
  return give_up(self_.incarnation, "left");
}

// What the dead have sent is still done: their writes hold locks on the rows that are released
// here, and a claim that comes later finds no node.
failure postgres_cluster::bury(const std::string& incarnation) {
  return give_up(incarnation, "died");
}

failure postgres_cluster::give_up(const std::string& incarnation, const char* why) {
  self_.incarnation = incarnation;
  auto self = parameters{}.text(self_.incarnation);
  return transact_only(
      {{{"UPDATE partitions SET node = NULL, incarnation = NULL, changed = now() WHERE number IN "
         "(SELECT number FROM partitions WHERE incarnation = $1::uuid ORDER BY number FOR UPDATE)"},
        self},
       {{"WITH gone AS (DELETE FROM nodes WHERE incarnation = $1::uuid RETURNING name) "
         "INSERT INTO departures(name, incarnation, why) SELECT name, $1::uuid, $2::text FROM "
         "gone"},
        parameters{}.text(self_.incarnation).text(why)},
       notify()});
}

void postgres_cluster::on_change(std::function<void()> told) {
  watch_.on_arrival(std::move(told));
}

} // namespace sotto
