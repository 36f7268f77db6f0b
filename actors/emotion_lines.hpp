#pragma once

#include <string>
#include <string_view>

#include "actors/emotion_engine.hpp"

namespace sotto {

/// Appends the JSON line for one input line of `sotto emotion --jsonl`: the line itself is the
/// text, or, where it begins with a brace, a JSON object with `text`. Figures are written as
/// Python prints the reference's. A malformed object gives a line with `error`.
void append_emotion_line(const emotion_engine& engine, std::string_view line, std::string& out);

} // namespace sotto
