#include "nodes/memory_api.hpp"

#include <charconv>
#include <map>

#include <fmt/format.h>

#include "messages/json_input.hpp"
#include "messages/time_text.hpp"
#include "nodes/json_output.hpp"
#include "nodes/openai_api.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr size_t max_text = 32 << 10;
constexpr size_t max_metadata = 8 << 10;
constexpr int64_t max_found = 1000;
constexpr uint32_t max_page = 1000;

int64_t read_time(field_reader& fields, const char* key) {
  auto text = fields.text(key, 64);
  if (text.empty())
    return 0;
  auto at = parse_rfc3339(text);
  if (!at)
    fields.refuse(key, "must be a time such as 2026-05-03T09:30:00Z (RFC 3339)");
  return at.value_or(0);
}

/// Reads one memory; returns its user.
std::string read_memory(field_reader& fields, memory& to) {
  auto user = fields.id("user", max_name_bytes, true);
  to.text = fields.text("text", max_text, true);
  to.id = fields.id("id", max_name_bytes);
  to.speaker = fields.text("speaker", max_name_bytes);
  to.conversation = fields.id("conversation", max_name_bytes);
  to.created = read_time(fields, "created");
  to.metadata = fields.object("metadata", max_metadata);
  if (to.speaker.empty())
    to.speaker = user;
  if (to.conversation.empty())
    to.conversation = user;
  return user;
}

} // namespace

remember_call read_remember(const json& body, const std::string& tenant, failure& why) {
  remember_call result;
  result.array = body.is_array();
  auto count = result.array ? body.size() : 1;
  if (count == 0 || count > max_memories_a_call) {
    why = {ec::invalid,
           fmt::format("send one memory or an array of 1 to {}", max_memories_a_call),
           {}};
    return result;
  }
  std::map<std::string, size_t> writes;
  for (size_t i = 0; i < count && !why; ++i) {
    field_reader fields{result.array ? body[i] : body, why,
                        result.array ? fmt::format("[{}].", i) : ""};
    memory x;
    auto user = read_memory(fields, x);
    auto [at, isnew] = writes.try_emplace(user, result.writes.size());
    if (isnew)
      result.writes.push_back({{tenant, user}, {}, {}, {}, {}});
    auto& write = result.writes[at->second];
    result.order.emplace_back(at->second, write.memories.size());
    if (is_group(write.owner))
      write.authors.push_back(x.speaker);
    write.memories.push_back(std::move(x));
  }
  return result;
}

memory_query read_search(const json& body, const std::string& tenant, failure& why) {
  memory_query result;
  field_reader fields{body, why};
  result.owner = {tenant, fields.id("user", max_name_bytes, true)};
  result.text = fields.text("query", max_text, true);
  result.k = static_cast<uint32_t>(fields.integer("k", 1, max_found).value_or(10));
  result.at = read_time(fields, "at");
  result.where = fields.object("where", max_metadata);
  return result;
}

memory_page_query read_page(const std::string& query, const std::string& tenant, failure& why) {
  memory_page_query result;
  result.owner = {tenant, query_value(query, "user")};
  result.after = query_value(query, "after");
  if (result.owner.owner.empty() || result.owner.owner.size() > max_name_bytes)
    why = {ec::invalid, fmt::format("'user' is required, of at most {} bytes", max_name_bytes),
           "user"};
  auto limit = query_value(query, "limit");
  auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), result.limit);
  auto wrong = error != std::errc{} || end != limit.data() + limit.size() || result.limit == 0
               || result.limit > max_page;
  if (!limit.empty() && wrong && !why)
    why = {ec::invalid, fmt::format("'limit' must be a whole number from 1 to {}", max_page),
           "limit"};
  return result;
}

json remember_answer(const remember_call& call, const std::vector<memory_receipt>& receipts) {
  auto ids = json::array();
  for (auto& [write, place] : call.order)
    ids.push_back(receipts[write].ids[place]);
  return call.array ? json{{"ids", std::move(ids)}} : json{{"id", ids[0]}};
}

json search_answer(const std::vector<recalled>& found) {
  auto results = json::array();
  for (auto& x : found)
    results.push_back(to_json_value(x));
  return {{"results", std::move(results)}};
}

json page_answer(const memory_page& page) {
  auto results = json::array();
  for (auto& x : page.memories)
    results.push_back(to_json_value(x));
  return {{"results", std::move(results)}, {"next", page.next.empty() ? json{} : json(page.next)}};
}

} // namespace sotto
