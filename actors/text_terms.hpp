#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace sotto {

/// Splits a text into words: runs of letters, digits and bytes of other scripts (anything outside
/// ASCII), in ASCII lower case; a possessive 's is left out. Any bytes are allowed.
void each_word(std::string_view text, const std::function<void(std::string_view)>& take);

/// The terms of a text in order: its words without English stop words, stemmed (Snowball English,
/// Porter2), as 64-bit hashes.
std::vector<uint64_t> terms_of(std::string_view text);

} // namespace sotto
