#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "messages/error.hpp"

namespace sotto {

/// The body of a request to a provider's `/embeddings`. `dimensions` 0: the model's own.
std::string embeddings_body(const std::vector<std::string>& texts, const std::string& model,
                            uint32_t dimensions);

/// Reads the answer to a request of `count` texts: `count` vectors in the order of the texts, each
/// of unit length and of `dimensions` numbers (0: all of one length). Anything else (a wrong count,
/// an index twice, a vector of another length, numbers that are not finite or all zero) is
/// `ec::upstream_failed` and says what was wrong: a vector in the wrong place would be worse than
/// none.
std::variant<std::vector<std::vector<float>>, failure>
read_embeddings_answer(std::string_view body, size_t count, size_t dimensions);

} // namespace sotto
