#pragma once

#include <functional>
#include <string_view>
#include <vector>

namespace sotto {

/// Embeds a text; an empty function where there are no word vectors. Called on any thread.
using embed_function = std::function<std::vector<float>(std::string_view)>;

} // namespace sotto
