#pragma once

#include <string>
#include <vector>

#include "actors/prompt.hpp"

namespace sotto {

/// What a model is asked to tell a conversation in short, in at most `most` bytes. `before` is the
/// summary of what was before `lines`; it may be empty.
std::vector<chat_message> summary_prompt(const std::string& before,
                                         const std::vector<spoken_line>& lines, size_t most);

/// The sentences that tell most of the conversation, at most `most` bytes of them, in the order in
/// which they were said: those whose words are the most frequent, each word counting less once it
/// was told (SumBasic; Nenkova and Vanderwende, 2005).
std::string extract_summary(const std::string& before, const std::vector<spoken_line>& lines,
                            size_t most);

} // namespace sotto
