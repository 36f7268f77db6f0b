#include "runtime/cluster_tables.hpp"

namespace sotto {

namespace {

constexpr auto tables = R"(
  CREATE TABLE IF NOT EXISTS cluster(
    one boolean PRIMARY KEY DEFAULT true CHECK(one),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    partitions integer NOT NULL,
    created timestamptz NOT NULL DEFAULT now());
  CREATE TABLE IF NOT EXISTS nodes(
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
    started timestamptz NOT NULL DEFAULT now(),
    seen timestamptz NOT NULL DEFAULT now());
  CREATE TABLE IF NOT EXISTS partitions(
    number integer PRIMARY KEY,
    node text,
    incarnation uuid,
    epoch bigint NOT NULL DEFAULT 0,
    changed timestamptz NOT NULL DEFAULT now(),
    wanted text);
  ALTER TABLE cluster ADD COLUMN IF NOT EXISTS ca text;
  ALTER TABLE nodes ADD COLUMN IF NOT EXISTS lease interval NOT NULL DEFAULT '3 s')";

} // namespace

failure make_cluster_tables(postgres::connection& db, const std::string& schema,
                            uint32_t partitions) {
  auto found = db.run({"SELECT count(*) FROM pg_attribute WHERE NOT attisdropped AND (attrelid, "
                       "attname) IN ((to_regclass('cluster'), 'ca'), (to_regclass('nodes'), "
                       "'lease'), (to_regclass('partitions'), 'wanted'))"},
                      {});
  if (!found.ok() || found.number(0, 0) == 3)
    return found.why();
  if (!schema.empty())
    if (auto made = db.run("CREATE SCHEMA IF NOT EXISTS " + postgres::quoted_name(schema));
        !made.ok())
      return made.why();
  if (auto made = db.run(std::string{tables}); !made.ok())
    return made.why();
  auto count = postgres::parameters{}.number(partitions);
  auto first =
      db.run({"INSERT INTO cluster(partitions) VALUES($1::bigint) ON CONFLICT DO NOTHING"}, count);
  if (!first.ok() || first.changed() == 0)
    return first.why();
  return db.run({"INSERT INTO partitions(number) SELECT generate_series(0, $1::bigint - 1)"}, count)
      .why();
}

} // namespace sotto
