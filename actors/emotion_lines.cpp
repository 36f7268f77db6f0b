#include "actors/emotion_lines.hpp"

#include <iterator>

#include <fmt/format.h>

#include "messages/json_input.hpp"

namespace sotto {

namespace {

/// Shortest digits that read back to the same double, with `.0` for whole numbers.
void append_number(double x, std::string& out) {
  auto before = out.size();
  fmt::format_to(std::back_inserter(out), "{}", x);
  if (out.find('.', before) == std::string::npos)
    out += ".0";
}

void append_reading(const emotion_engine& engine, std::string_view text, std::string& out) {
  auto x = engine.read(text);
  out += R"({"neg":)";
  append_number(x.neg, out);
  out += R"(,"neu":)";
  append_number(x.neu, out);
  out += R"(,"pos":)";
  append_number(x.pos, out);
  out += R"(,"compound":)";
  append_number(x.compound, out);
  fmt::format_to(std::back_inserter(out), ",\"emotion\":\"{}\"}}\n", x.primary);
}

} // namespace

void append_emotion_line(const emotion_engine& engine, std::string_view line, std::string& out) {
  if (!line.starts_with('{'))
    return append_reading(engine, line, out);
  failure why;
  auto object = parse_json(line, why);
  std::string text;
  if (!why)
    text = field_reader{object, why}.text("text", SIZE_MAX);
  if (!why && !object.contains("text"))
    why = {ec::invalid, "'text' is required", "text"};
  if (why)
    out += nlohmann::json{{"error", why.message}}.dump() + '\n';
  else
    append_reading(engine, text, out);
}

} // namespace sotto
