#include "runtime/postgres_migrations.hpp"

#include <array>

#include <fmt/format.h>

namespace sotto {

namespace {

// Step n leads to schema n + 1. A released step is never changed: a new one is added.
//
// What comes from users is bytea: text takes neither a zero byte nor, in a database of another
// encoding, every letter; and bytes are ordered the same on every machine. Who looks by hand:
// convert_from(text, 'UTF8').
constexpr std::array<const char*, 3> steps{R"(
  CREATE TABLE schema_version(version bigint NOT NULL);
  INSERT INTO schema_version VALUES(0);
  CREATE TABLE cluster(
    one boolean PRIMARY KEY DEFAULT true CHECK(one),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    partitions integer NOT NULL,
    ca text,
    created timestamptz NOT NULL DEFAULT now());
  CREATE TABLE nodes(
    name text PRIMARY KEY,
    incarnation uuid NOT NULL,
    http text NOT NULL,
    link text NOT NULL,
    roles text[] NOT NULL,
    capacity double precision NOT NULL,
    version text NOT NULL,
    protocol integer NOT NULL,
    state text NOT NULL CHECK(state IN ('up', 'draining')),
    load jsonb,
    lease interval NOT NULL DEFAULT '3 s',
    started timestamptz NOT NULL DEFAULT now(),
    seen timestamptz NOT NULL DEFAULT now());
  CREATE TABLE partitions(
    number integer PRIMARY KEY,
    node text,
    incarnation uuid,
    epoch bigint NOT NULL DEFAULT 0,
    changed timestamptz NOT NULL DEFAULT now(),
    wanted text);
  CREATE TABLE owners(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant bytea NOT NULL,
    owner bytea NOT NULL,
    partition integer NOT NULL,
    UNIQUE(tenant, owner));
  CREATE TABLE memories(
    owner bigint NOT NULL,
    seq bigint NOT NULL CHECK(seq > 0),
    id bytea NOT NULL,
    text bytea NOT NULL,
    speaker bytea NOT NULL,
    conversation bytea NOT NULL,
    metadata bytea NOT NULL,
    created bigint NOT NULL,
    own boolean NOT NULL,
    vector bytea,
    space bigint NOT NULL DEFAULT 0,
    PRIMARY KEY(owner, seq));
  ALTER TABLE memories ALTER COLUMN vector SET STORAGE EXTERNAL;
  CREATE TABLE spaces(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name bytea NOT NULL UNIQUE);
  CREATE TABLE turns(
    owner bigint NOT NULL,
    conversation bytea NOT NULL,
    key bytea NOT NULL,
    text_hash bigint NOT NULL,
    reply bigint NOT NULL,
    created bigint NOT NULL,
    details bytea NOT NULL,
    PRIMARY KEY(owner, conversation, key));
  CREATE TABLE summaries(
    owner bigint NOT NULL,
    conversation bytea NOT NULL,
    text bytea NOT NULL,
    upto bigint NOT NULL,
    PRIMARY KEY(owner, conversation));
  CREATE TABLE commits(
    writer uuid PRIMARY KEY,
    number bigint NOT NULL,
    done boolean NOT NULL,
    changed timestamptz NOT NULL DEFAULT now());
)",
                                           // Whose a group's memories are (in SQLite's step 5 more
                                           // of this).
                                           R"(
  ALTER TABLE memories ADD COLUMN author bytea NOT NULL DEFAULT '';
  UPDATE memories m SET author = coalesce(o.tenant || '/'::bytea || CASE WHEN NOT m.own
      THEN m.speaker ELSE (SELECT b.speaker FROM memories b WHERE b.owner = m.owner
        AND b.seq = m.seq - 1 AND NOT b.own) END, '')
    FROM owners o WHERE o.number = m.owner AND substring(o.owner FROM 1 FOR 8) = 'channel:'::bytea;
  CREATE INDEX memories_by_author ON memories(author, owner) WHERE author <> '';
)",
                                           // Where frontends in C++ reach a node, and which runs of
                                           // nodes are over.
                                           R"(
  ALTER TABLE nodes ADD COLUMN native text NOT NULL DEFAULT '';
  CREATE TABLE departures(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    incarnation uuid NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL DEFAULT now());
)"};

failure wrong(const postgres::connection& db, std::string_view why) {
  return {
      ec::storage_failed,
      fmt::format("{}: the schema \"{}\" {}", postgres::describe(db.to().url), db.to().schema, why),
      {}};
}

/// The version of the schema, which is made where it is missing. Others who migrate it wait for the
/// end of the transaction.
caf::expected<int64_t> found_version(postgres::connection& db) {
  auto named = postgres::parameters{}.text(db.to().schema);
  // Two hashes of four bytes: what else takes locks in this database is not in the way.
  auto done =
      db.run({"SELECT pg_advisory_xact_lock(hashtext('sotto'), hashtext($1::text))"}, named);
  if (done.ok())
    done = db.run({"SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = $1::text), "
                   "(SELECT count(*) FROM pg_tables WHERE schemaname = $1::text), "
                   "(SELECT count(*) FROM pg_tables WHERE schemaname = $1::text AND tablename IN "
                   "('schema_version', 'commits'))"},
                  named);
  if (!done.ok())
    return to_error(done.why());
  auto schemas = done.number(0, 0), tables = done.number(0, 1), ours = done.number(0, 2);
  if (tables != 0 && ours != 2)
    return to_error(wrong(db, "is another program's; give another with store.schema"));
  if (schemas == 0)
    done = db.run("CREATE SCHEMA " + postgres::quoted_name(db.to().schema));
  else if (ours == 2)
    done = db.run("SELECT version FROM schema_version");
  if (!done.ok())
    return to_error(done.why());
  return ours == 2 ? done.number(0, 0) : 0;
}

failure step_up(postgres::connection& db, int64_t version) {
  for (; version < newest_postgres_schema(); ++version) {
    auto done = db.run(fmt::format("{}; UPDATE schema_version SET version = {}",
                                   steps[static_cast<size_t>(version)], version + 1));
    if (!done.ok())
      return done.why();
  }
  return {};
}

failure divide(postgres::connection& db, uint32_t partitions) {
  auto count = postgres::parameters{}.number(partitions);
  auto done =
      db.run({"INSERT INTO cluster(partitions) VALUES($1::bigint) ON CONFLICT DO NOTHING"}, count);
  if (done.ok() && done.changed() == 1)
    done =
        db.run({"INSERT INTO partitions(number) SELECT generate_series(0, $1::bigint - 1)"}, count);
  if (done.ok())
    done = db.run("SELECT partitions FROM cluster");
  if (!done.ok())
    return done.why();
  if (done.number(0, 0) == partitions)
    return {};
  return wrong(db, fmt::format("is divided into {} partitions, node.partitions says {}; set it to "
                               "{}, or give another schema with store.schema",
                               done.number(0, 0), partitions, done.number(0, 0)));
}

} // namespace

int64_t newest_postgres_schema() {
  return static_cast<int64_t>(steps.size());
}

failure migrate(postgres::connection& db, uint32_t partitions) {
  postgres::transaction work{db};
  if (auto begun = work.begin(); !begun.ok())
    return begun.why();
  auto version = found_version(db);
  if (!version)
    return to_failure(version.error());
  if (*version > newest_postgres_schema())
    return wrong(db, fmt::format("was written by a newer release (schema {}, this release knows up "
                                 "to {}); start that release, or give another with store.schema",
                                 *version, newest_postgres_schema()));
  if (auto why = step_up(db, *version))
    return why;
  if (auto why = divide(db, partitions))
    return why;
  return work.commit().why();
}

} // namespace sotto
