#include "runtime/postgres_view.hpp"
#include "runtime/store_checks.hpp"

#include <algorithm>
#include <cstring>

namespace sotto {

namespace {

using postgres::format;
using postgres::parameters;
using postgres::result;
using postgres::statement;

#define OWNER_NUMBER "(SELECT number FROM owners WHERE tenant = $1::bytea AND owner = $2::bytea)"

const statement find_memories{
    "SELECT seq, id, text, speaker, conversation, metadata, created, own, "
    "CASE WHEN space = $3::bigint THEN vector END, author FROM memories WHERE owner = " OWNER_NUMBER
    " AND seq > $4::bigint ORDER BY seq LIMIT 1000",
    "find_memories"};
static_assert(part_rows == 1000); // the limit is no parameter: the planner should know it

const statement find_turns{"SELECT conversation, key, text_hash, reply, created, details "
                           "FROM turns WHERE owner = " OWNER_NUMBER " ORDER BY created",
                           "find_turns"};

const statement find_summaries{
    "SELECT conversation, text, upto FROM summaries WHERE owner = " OWNER_NUMBER, "find_summaries"};

// As in SQLite's view.
const statement find_spoken{
    "WITH RECURSIVE g(owner) AS (SELECT min(owner) FROM memories WHERE author = $1::bytea AND "
    "author <> '' UNION ALL SELECT (SELECT min(m.owner) FROM memories m WHERE m.author = $1::bytea "
    "AND m.author <> '' AND m.owner > g.owner) FROM g WHERE g.owner IS NOT NULL), "
    "h(number, name) AS (SELECT o.number, o.owner FROM g JOIN owners o ON o.number = g.owner "
    "AND o.partition = $2::bigint) "
    "SELECT h.name, m.seq, h.number FROM h "
    "JOIN memories m ON m.author = $1::bytea AND m.author <> '' AND m.owner = h.number "
    "UNION ALL SELECT h.name, m.seq, h.number FROM h JOIN memories m ON m.owner = h.number "
    "WHERE m.own AND m.author = '' AND EXISTS (SELECT 1 FROM memories b "
    "WHERE b.author = $1::bytea AND b.author <> '' AND b.owner = h.number AND b.seq < m.seq "
    "AND b.conversation = m.conversation) ORDER BY 3, 2",
    "find_spoken"};

const statement list_owners{
    "SELECT tenant, owner, (SELECT count(*) FROM memories m WHERE m.owner = o.number "
    "AND (m.space <> $3::bigint OR m.vector IS NULL)) FROM owners o "
    "WHERE (tenant, owner) > ($1::bytea, $2::bytea) ORDER BY tenant, owner LIMIT $4::bigint",
    "list_owners"};

// All statements of a load see the same commit.
const statement begin{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "begin_reading"};
const statement end{"COMMIT", "end_reading"};

uint64_t whole(const result& rows, int row, int column) {
  return static_cast<uint64_t>(rows.number(row, column));
}

void read_memories(const result& rows, memory_write& to) {
  to.memories.reserve(static_cast<size_t>(rows.rows()));
  to.vectors.reserve(static_cast<size_t>(rows.rows()));
  for (int i = 0; i < rows.rows(); ++i) {
    auto& x = to.memories.emplace_back();
    x.seq = whole(rows, i, 0);
    x.id = rows.text(i, 1);
    x.text = rows.text(i, 2);
    x.speaker = rows.text(i, 3);
    x.conversation = rows.text(i, 4);
    x.metadata = rows.text(i, 5);
    x.created = rows.number(i, 6);
    x.own = rows.number(i, 7) != 0;
    auto bytes = rows.text(i, 8);
    auto& vector = to.vectors.emplace_back(bytes.size() / sizeof(float));
    if (!vector.empty())
      std::memcpy(vector.data(), bytes.data(), vector.size() * sizeof(float));
    if (is_group(to.owner))
      to.authors.push_back(read_author(rows.text(i, 9)));
  }
}

void read_turns(const result& rows, memory_write& to) {
  for (int i = 0; i < rows.rows(); ++i) {
    auto& x = to.turns.emplace_back();
    x.conversation = rows.text(i, 0);
    x.key = rows.text(i, 1);
    x.text_hash = whole(rows, i, 2);
    x.reply = whole(rows, i, 3);
    x.created = rows.number(i, 4);
    x.details = rows.text(i, 5);
  }
}

void read_summaries(const result& rows, memory_write& to) {
  for (int i = 0; i < rows.rows(); ++i) {
    auto& x = to.summaries.emplace_back();
    x.conversation = rows.text(i, 0);
    x.text = rows.text(i, 1);
    x.upto = whole(rows, i, 2);
  }
}

} // namespace

// Parts of an owner come in the order of an index. Where the planner knows nothing of a table yet
// it would rather sort all that is left of the owner for each of them; and what it thinks of the
// sorts that are needed must not have them compiled.
failure postgres_view::prepare(postgres::connection& db) {
  return db.run("SET enable_sort = off; SET jit = off").why();
}

postgres_view::postgres_view(std::shared_ptr<postgres_shared> shared)
    : shared_(std::move(shared)),
      link_(target_of(shared_->options), shared_->options.write_patience, prepare) {}

template <class Ask>
caf::expected<std::vector<result>> postgres_view::collected(Ask ask) {
  failure why;
  do {
    why = link_.ready();
    if (!why)
      why = shared_->marker.settle(link_.db());
    if (why) {
      link_.db().close();
      if (why.code != ec::unavailable)
        return to_error(why);
      continue;
    }
    ask(link_.db());
    auto found = link_.db().collect();
    auto failed = std::find_if(found.begin(), found.end(), [](auto& x) { return !x.ok(); });
    if (failed == found.end()) {
      link_.worked();
      return found;
    }
    why = failed->why();
    if (!failed->lost()) {
      link_.worked();
      link_.db().run("ROLLBACK");
      return to_error(why);
    }
  } while (link_.patient());
  return to_error(why.code == ec::unavailable ? gone() : why);
}

caf::expected<memory_write> postgres_view::load_part(const owner_key& owner, uint64_t after) {
  auto found = collected([&](postgres::connection& db) {
    auto whose = parameters{}.bytes(owner.tenant).bytes(owner.owner);
    auto which = whose;
    which.number(shared_->space).number(static_cast<int64_t>(after));
    if (after != 0) {
      db.queue(find_memories, which, format::binary);
      return;
    }
    db.queue(begin);
    db.queue(find_memories, which, format::binary);
    db.queue(find_turns, whose, format::binary);
    db.queue(find_summaries, whose, format::binary);
    db.queue(end);
  });
  if (!found)
    return found.error();
  memory_write out;
  out.owner = owner;
  read_memories((*found)[after == 0 ? 1 : 0], out);
  if (after == 0) {
    read_turns((*found)[2], out);
    read_summaries((*found)[3], out);
  }
  return out;
}

caf::expected<std::vector<spoken_lines>> postgres_view::spoken(const spoken_by& what) {
  auto author = stored_author(what.user.tenant, what.user.owner);
  auto found = collected([&](postgres::connection& db) {
    db.queue(find_spoken, parameters{}.bytes(author).number(what.partition), format::binary);
  });
  if (!found)
    return found.error();
  auto& rows = found->front();
  std::vector<spoken_lines> out;
  for (int i = 0; i < rows.rows(); ++i) {
    owner_key group{what.user.tenant, std::string{rows.text(i, 0)}};
    if (out.empty() || out.back().group != group)
      out.push_back({std::move(group), {}});
    out.back().seqs.push_back(whole(rows, i, 1));
  }
  return out;
}

caf::expected<std::vector<owner_vectors>> postgres_view::owners(const owner_key& after,
                                                                size_t limit) {
  auto found = collected([&](postgres::connection& db) {
    db.queue(list_owners,
             parameters{}
                 .bytes(after.tenant)
                 .bytes(after.owner)
                 .number(shared_->space)
                 .number(static_cast<int64_t>(limit)),
             format::binary);
  });
  if (!found)
    return found.error();
  auto& rows = found->front();
  std::vector<owner_vectors> out;
  for (int i = 0; i < rows.rows(); ++i)
    out.push_back(
        {{std::string{rows.text(i, 0)}, std::string{rows.text(i, 1)}}, whole(rows, i, 2)});
  return out;
}

failure postgres_view::open() {
  auto why = link_.ready();
  if (!why)
    link_.worked();
  return why;
}

caf::expected<std::vector<std::string>> postgres_view::spaces() {
  auto found = collected([&](postgres::connection& db) {
    db.queue({"SELECT name FROM spaces s WHERE EXISTS (SELECT FROM memories m WHERE "
              "m.space = s.number AND m.vector IS NOT NULL) ORDER BY name"},
             {}, format::binary);
  });
  if (!found)
    return found.error();
  std::vector<std::string> out;
  for (int i = 0; i < found->front().rows(); ++i)
    out.emplace_back(found->front().text(i, 0));
  return out;
}

failure postgres_view::maintain() {
  // Loads wait for it; where there are none, nobody else would look.
  if (shared_->marker.doubtful() && !link_.ready())
    (void)shared_->marker.settle(link_.db());
  return {};
}

} // namespace sotto
