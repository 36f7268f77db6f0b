#include "runtime/migrations.hpp"

#include <array>

#include <fmt/format.h>

namespace sotto {

namespace {

// Marks the file as ours: 'Soto'.
constexpr int64_t application_id = 0x536f746f;

// Step n leads to schema n + 1. A released step is never changed: a new one is added.
constexpr std::array<const char*, 7> steps{R"(
  CREATE TABLE schema_version(version INTEGER NOT NULL);
  INSERT INTO schema_version VALUES(0);
  CREATE TABLE owners(
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    owner TEXT NOT NULL,
    partition INTEGER NOT NULL,
    UNIQUE(tenant, owner));
  CREATE TABLE memories(
    owner INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK(seq > 0),
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    speaker TEXT NOT NULL,
    conversation TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created INTEGER NOT NULL,
    own INTEGER NOT NULL,
    vector BLOB,
    PRIMARY KEY(owner, seq)) WITHOUT ROWID;
  CREATE UNIQUE INDEX memories_by_id ON memories(owner, id);
  PRAGMA application_id = 0x536f746f;
)",
                                           // Ids are unique by their owner's shard; keeping
                                           // them so here as well cost a page a write.
                                           "DROP INDEX memories_by_id",
                                           // Which embedder a vector is of. The vectors there are
                                           // were the built-in embedder's, which are computed
                                           // anew when they are needed: 400 bytes a memory less.
                                           R"(
  CREATE TABLE spaces(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  ALTER TABLE memories ADD COLUMN space INTEGER NOT NULL DEFAULT 0;
  UPDATE memories SET vector = NULL WHERE vector IS NOT NULL;
)",
                                           // Turns with a key, and conversations in short.
                                           R"(
  CREATE TABLE turns(
    owner INTEGER NOT NULL,
    conversation TEXT NOT NULL,
    key TEXT NOT NULL,
    text_hash INTEGER NOT NULL,
    reply INTEGER NOT NULL,
    created INTEGER NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY(owner, conversation, key)) WITHOUT ROWID;
  CREATE TABLE summaries(
    owner INTEGER NOT NULL,
    conversation TEXT NOT NULL,
    text TEXT NOT NULL,
    upto INTEGER NOT NULL,
    PRIMARY KEY(owner, conversation)) WITHOUT ROWID;
)",
                                           // Whose a group's memories are, so that they go when
                                           // their user is forgotten: until now those who spoke
                                           // were told by name alone, and answered next. Only
                                           // groups pay for the index.
                                           R"(
  ALTER TABLE memories ADD COLUMN author TEXT NOT NULL DEFAULT '';
  UPDATE memories SET author = coalesce(
      (SELECT tenant FROM owners WHERE number = memories.owner) || '/' || iif(own = 0, speaker,
        (SELECT speaker FROM memories AS b WHERE b.owner = memories.owner
          AND b.seq = memories.seq - 1 AND b.own = 0)), '')
    WHERE owner IN (SELECT number FROM owners WHERE substr(owner, 1, 8) = 'channel:');
  CREATE INDEX memories_by_author ON memories(author, owner) WHERE author <> '';
)",
                                           // Memories in order of arrival: a row in the middle of
                                           // a table makes SQLite spread a full page over its
                                           // neighbours, which were two pages of log a turn.
                                           R"(
  DROP INDEX memories_by_author;
  ALTER TABLE memories RENAME TO memories_by_owner;
  CREATE TABLE memories(
    number INTEGER PRIMARY KEY,
    owner INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK(seq > 0),
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    speaker TEXT NOT NULL,
    conversation TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created INTEGER NOT NULL,
    own INTEGER NOT NULL,
    vector BLOB,
    space INTEGER NOT NULL,
    author TEXT NOT NULL);
  INSERT INTO memories(owner, seq, id, text, speaker, conversation, metadata, created, own, vector,
      space, author)
    SELECT owner, seq, id, text, speaker, conversation, metadata, created, own, vector, space,
      author FROM memories_by_owner ORDER BY owner, seq;
  DROP TABLE memories_by_owner;
  CREATE UNIQUE INDEX memories_by_place ON memories(owner, seq);
  CREATE INDEX memories_by_author ON memories(author, owner, seq) WHERE author <> '';
)",
                                           // Turns with a key likewise: four pages a turn.
                                           R"(
  ALTER TABLE turns RENAME TO turns_by_owner;
  CREATE TABLE turns(
    number INTEGER PRIMARY KEY,
    owner INTEGER NOT NULL,
    conversation TEXT NOT NULL,
    key TEXT NOT NULL,
    text_hash INTEGER NOT NULL,
    reply INTEGER NOT NULL,
    created INTEGER NOT NULL,
    details TEXT NOT NULL);
  INSERT INTO turns(owner, conversation, key, text_hash, reply, created, details)
    SELECT owner, conversation, key, text_hash, reply, created, details FROM turns_by_owner
    ORDER BY owner, created;
  DROP TABLE turns_by_owner;
  CREATE UNIQUE INDEX turns_by_key ON turns(owner, conversation, key);
)"};

failure foreign(std::string_view path, int64_t found) {
  return {ec::storage_failed,
          fmt::format("{}: is a database of another program (application id {}); choose another "
                      "folder with --data",
                      path, found),
          {}};
}

failure newer(std::string_view path, int64_t found) {
  return {ec::storage_failed,
          fmt::format("{}: was written by a newer release (schema {}, this release knows up to "
                      "{}); start that release, or choose another folder with --data",
                      path, found, newest_schema()),
          {}};
}

} // namespace

int64_t newest_schema() {
  return static_cast<int64_t>(steps.size());
}

failure migrate(sqlite::connection& db) {
  auto path = sqlite3_db_filename(db.handle(), "main");
  // The first read of the file: tells a database from anything else.
  if (auto code = db.exec("SELECT count(*) FROM sqlite_schema"); code != SQLITE_OK)
    return db.explain(code);
  auto mark = db.number("PRAGMA application_id", 0);
  auto tables = db.number("SELECT count(*) FROM sqlite_schema", 0);
  if (mark != application_id && (mark != 0 || tables != 0))
    return foreign(path, mark);
  auto version = tables == 0 ? 0 : db.number("SELECT version FROM schema_version", -1);
  if (version < 0)
    return db.explain(SQLITE_CORRUPT);
  if (version > newest_schema())
    return newer(path, version);
  for (; version < newest_schema(); ++version) {
    auto sql = fmt::format("BEGIN IMMEDIATE; {}; UPDATE schema_version SET version = {}; COMMIT;",
                           steps[static_cast<size_t>(version)], version + 1);
    if (auto code = db.exec(sql.c_str()); code != SQLITE_OK) {
      auto why = db.explain(code);
      db.exec("ROLLBACK");
      return why;
    }
  }
  return {};
}

} // namespace sotto
