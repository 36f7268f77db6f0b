#include "config/toml_reader.hpp"

#include <algorithm>
#include <tuple>

#define TOML_EXCEPTIONS 0
// Some of toml++ 3.3's own assertions fail for wrong texts that it goes on to refuse: "[=]".
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

namespace sotto {

namespace {

constexpr size_t longest_text = 1 << 20;
constexpr size_t longest_line = 16 << 10;
/// Deeper tables are no configuration of ours; they are named as one unknown key.
constexpr size_t deepest = 8;

template <class T>
void place(T& x, const toml::node& node) {
  x.line = node.source().begin.line;
  x.column = node.source().begin.column;
}

void flatten(const toml::table& from, const std::string& prefix, size_t depth,
             std::vector<toml_entry>& to);

setting_value as_list(const toml::array& items) {
  std::vector<std::string> out;
  for (auto& item : items) {
    auto text = item.as_string();
    if (!text)
      return {};
    out.push_back(text->get());
  }
  return out;
}

setting_value as_value(const toml::node& node) {
  if (auto x = node.as_string())
    return x->get();
  if (auto x = node.as_integer())
    return x->get();
  if (auto x = node.as_floating_point())
    return x->get();
  if (auto x = node.as_boolean())
    return x->get();
  if (auto x = node.as_array())
    return as_list(*x);
  return {};
}

bool holds_tables(const toml::node& node) {
  auto items = node.as_array();
  return items && !items->empty()
         && std::all_of(items->begin(), items->end(), [](auto& x) { return x.is_table(); });
}

toml_entry as_entry(std::string key, const toml::key& name, const toml::node& node, size_t depth) {
  toml_entry out;
  out.key = std::move(key);
  out.line = name.source().begin.line;
  out.column = name.source().begin.column;
  out.is_array_of_tables = holds_tables(node);
  if (!out.is_array_of_tables) {
    out.value = as_value(node);
    return out;
  }
  for (auto& item : *node.as_array()) {
    auto& table = out.tables.emplace_back();
    place(table, item);
    flatten(*item.as_table(), "", depth + 1, table.entries);
  }
  return out;
}

void flatten(const toml::table& from, const std::string& prefix, size_t depth,
             std::vector<toml_entry>& to) {
  for (auto&& [name, node] : from) {
    auto key = prefix + std::string{name.str()};
    if (auto inner = node.as_table(); inner && depth < deepest)
      flatten(*inner, key + '.', depth + 1, to);
    else
      to.push_back(as_entry(std::move(key), name, node, depth));
  }
}

/// What the parser itself must never see: its stack grows with the length of a line.
std::vector<toml_problem> too_long(std::string_view text) {
  if (text.size() > longest_text)
    return {{"the text is longer than 1 MiB", 1, 1}};
  uint32_t line = 1;
  for (size_t begin = 0; begin < text.size(); ++line) {
    auto end = std::min(text.find('\n', begin), text.size());
    if (end - begin > longest_line)
      return {{"the line is longer than 16 KiB; a long text may be written over several lines "
               "between \"\"\" and \"\"\"",
               line, 1}};
    begin = end + 1;
  }
  return {};
}

/// The end of the text in quotes that begins at `at`, or of `text` if it has none.
size_t end_of_quotes(std::string_view text, size_t at) {
  auto quote = text[at];
  std::string_view fence = quote == '"' ? R"(""")" : "'''";
  bool many = text.substr(at).starts_with(fence);
  for (at += many ? 3 : 1; at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"')
      ++at;
    else if (!many && (text[at] == quote || text[at] == '\n'))
      return at + 1;
    else if (many && text.substr(at).starts_with(fence)) {
      // One or two quotes before the fence belong to the text.
      for (at += 3; at < text.size() && text[at] == quote; ++at)
        ;
      return at;
    }
  }
  return text.size();
}

/// Characters outside ASCII that are neither in quotes nor in a comment: TOML has none, and
/// toml++ 3.3 runs into undefined behaviour at some.
std::vector<toml_problem> stray_characters(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '"' || text[at] == '\'')
      at = end_of_quotes(text, at);
    else if (text[at] == '#')
      at = std::min(text.find('\n', at), text.size());
    else if (static_cast<unsigned char>(text[at]) < 0x80)
      ++at;
    else {
      auto before = text.substr(0, at);
      auto line = 1 + std::count(before.begin(), before.end(), '\n');
      auto column = at - (before.rfind('\n') + 1) + 1;
      return {{"a character outside ASCII must stand in quotes or in a comment",
               static_cast<uint32_t>(line), static_cast<uint32_t>(column)}};
    }
  }
  return {};
}

} // namespace

toml_document read_toml(std::string_view text) {
  toml_document out;
  if (text.starts_with("\xef\xbb\xbf")) // a byte order mark
    text.remove_prefix(3);
  out.problems = too_long(text);
  if (!out.problems.empty())
    return out;
  out.problems = stray_characters(text);
  if (!out.problems.empty())
    return out;
  auto parsed = toml::parse(text);
  if (!parsed) {
    auto& problem = parsed.error();
    out.problems.push_back({std::string{problem.description()}, problem.source().begin.line,
                            problem.source().begin.column});
    return out;
  }
  flatten(parsed.table(), "", 0, out.entries);
  std::stable_sort(out.entries.begin(), out.entries.end(), [](auto& a, auto& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return out;
}

} // namespace sotto
