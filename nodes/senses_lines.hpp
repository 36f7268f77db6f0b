#pragma once

#include <span>
#include <string>
#include <string_view>

#include "messages/emotion.hpp"

namespace sotto {

/// The head of the table that `append_mood` writes.
std::string_view mood_header();

/// Appends a line for people: VADER's four figures, the strongest category with its intensity, and
/// the beginning of the text without what could steer a terminal.
void append_mood(const emotion_reading& x, std::string_view text, std::string& out);

/// Appends a line with the vector: figures between spaces, or a JSON array. The figures read back
/// to the same floats.
void append_embedding(std::span<const float> x, bool json, std::string& out);

} // namespace sotto
