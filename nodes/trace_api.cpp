#include "nodes/trace_api.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include <caf/atom.hpp>
#include <fmt/format.h>

#include "messages/time_text.hpp"
#include "nodes/http_types.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr size_t most_listed = 200, usually_listed = 50;
constexpr std::array<const char*, 4> outcome_names{"served", "refused", "late", "failed"};

double milliseconds(int64_t nanos) {
  auto micros = nanos / 1000;
  return static_cast<double>(micros) / 1e3;
}

bool read_hex(std::string_view digits, uint64_t& x) {
  auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), x, 16);
  return bad == std::errc{} && end == digits.data() + digits.size();
}

/// When a message came; control messages do not wait, a note takes no time.
int64_t came(const message_record& x) {
  return x.enqueued != 0 ? x.enqueued : x.started;
}

std::string id_of(uint64_t x) {
  return fmt::format("{:016x}", x);
}

bool is_note(const message_record& x) {
  return *x.note != '\0';
}

std::string when(int64_t nanos, const clock_pair& now) {
  return rfc3339(now.micros - (now.nanos - nanos) / 1000);
}

json span_of(const message_record& x, int64_t begin) {
  json span{{"span", id_of(x.ctx.span)},
            {"parent", x.ctx.parent == 0 ? json{} : json(id_of(x.ctx.parent))},
            {"actor", x.receiver_type},
            {"actor_id", x.receiver},
            {"level", to_string(x.ctx.level)},
            {"at_ms", milliseconds(came(x) - begin)},
            {"outcome", outcome_names.at(static_cast<size_t>(x.ended_as))}};
  if (is_note(x)) {
    span["note"] = x.note;
    return span;
  }
  span["message"] = caf::to_string(static_cast<caf::atom_value>(x.verb));
  span["from_id"] = x.sender == 0 ? json{} : json(x.sender);
  span["waited_ms"] = milliseconds(x.started - came(x));
  span["took_ms"] = milliseconds(x.ended - x.started);
  span["behind"] = x.waiting;
  return span;
}

/// What is told of a trace in a list.
struct summary {
  context ctx;
  int64_t begin = 0, end = 0;
  size_t messages = 0;
  outcome worst = outcome::served;
  std::vector<const char*> notes;

  void add(const message_record& x) {
    begin = begin == 0 ? came(x) : std::min(begin, came(x));
    end = std::max(end, x.ended);
    ctx = x.ctx;
    worst = std::max(worst, x.ended_as);
    if (!is_note(x))
      ++messages;
    else if (std::find(notes.begin(), notes.end(), x.note) == notes.end())
      notes.push_back(x.note);
  }
};

} // namespace

std::optional<std::pair<uint64_t, uint64_t>> read_trace_id(std::string_view text) {
  constexpr size_t half = 16;
  if (text.size() != 2 * half)
    return std::nullopt;
  std::pair<uint64_t, uint64_t> x;
  if (!read_hex(text.substr(0, half), x.first) || !read_hex(text.substr(half), x.second)
      || (x.first == 0 && x.second == 0))
    return std::nullopt;
  return x;
}

json to_json_value(std::vector<message_record> records, const clock_pair& now) {
  std::stable_sort(records.begin(), records.end(),
                   [](auto& a, auto& b) { return came(a) < came(b); });
  auto begin = came(records.front()), end = begin;
  auto spans = json::array();
  for (auto& x : records) {
    end = std::max(end, x.ended);
    spans.push_back(span_of(x, begin));
  }
  return {{"trace", trace_id(records.front().ctx)},
          {"started", when(begin, now)},
          {"took_ms", milliseconds(end - begin)},
          {"spans", std::move(spans)}};
}

json list_traces(const std::vector<message_record>& records, size_t limit, const clock_pair& now) {
  std::map<std::pair<uint64_t, uint64_t>, summary> found;
  for (auto& x : records)
    if (x.ctx.trace_hi != 0 || x.ctx.trace_lo != 0)
      found[{x.ctx.trace_hi, x.ctx.trace_lo}].add(x);
  std::vector<const summary*> latest;
  latest.reserve(found.size());
  for (auto& [id, x] : found)
    latest.push_back(&x);
  auto count = std::min(limit, latest.size());
  auto newer = [](auto* a, auto* b) { return a->begin > b->begin; };
  std::partial_sort(latest.begin(), latest.begin() + static_cast<std::ptrdiff_t>(count),
                    latest.end(), newer);
  latest.resize(count);
  auto list = json::array();
  for (auto* x : latest)
    list.push_back({{"trace", trace_id(x->ctx)},
                    {"started", when(x->begin, now)},
                    {"took_ms", milliseconds(x->end - x->begin)},
                    {"messages", x->messages},
                    {"level", to_string(x->ctx.level)},
                    {"outcome", outcome_names.at(static_cast<size_t>(x->worst))},
                    {"notes", x->notes}});
  return {{"traces", std::move(list)}};
}

size_t read_trace_limit(const std::string& query, failure& why) {
  auto limit = query_value(query, "limit");
  if (limit.empty())
    return usually_listed;
  size_t result = 0;
  auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), result);
  if (error != std::errc{} || end != limit.data() + limit.size() || result == 0
      || result > most_listed)
    why = {ec::invalid, fmt::format("'limit' must be a whole number from 1 to {}", most_listed),
           "limit"};
  return result;
}

} // namespace sotto
