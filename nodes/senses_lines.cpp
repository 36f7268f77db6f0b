#include "nodes/senses_lines.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "nodes/chat_stream.hpp"

namespace sotto {

namespace {

/// At most so many bytes of the text, not cut within a character.
std::string beginning(std::string_view text) {
  constexpr size_t longest = 60;
  auto end = std::min(text.size(), longest);
  if (end < text.size())
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
      --end;
  auto out = printable(text.substr(0, end));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\t' || c == '\n'; }, ' ');
  return end < text.size() ? out + "..." : out;
}

} // namespace

std::string_view mood_header() {
  return "  neg    neu    pos   compound  emotion      intensity  text\n";
}

void append_mood(const emotion_reading& x, std::string_view text, std::string& out) {
  // Adding zero turns -0.0 into 0.0.
  fmt::format_to(std::back_inserter(out),
                 "{:5.3f}  {:5.3f}  {:5.3f}  {:8.4f}  {:<11}  {:9.2f}  {}\n", x.neg + 0.0,
                 x.neu + 0.0, x.pos + 0.0, x.compound + 0.0, x.primary, x.intensity,
                 beginning(text));
}

void append_embedding(std::span<const float> x, bool json, std::string& out) {
  if (json)
    out += '[';
  for (size_t i = 0; i < x.size(); ++i) {
    if (i > 0)
      out += json ? ',' : ' ';
    fmt::format_to(std::back_inserter(out), "{}", std::isfinite(x[i]) ? x[i] : 0.0F);
  }
  out += json ? "]\n" : "\n";
}

} // namespace sotto
