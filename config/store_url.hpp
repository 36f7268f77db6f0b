#pragma once

#include <string_view>

#include "config/store_options.hpp"

namespace sotto {

/// `sqlite:`, `sqlite:FOLDER` or `postgresql://...`.
bool is_store_url(std::string_view x);
/// A name that needs no quotes in SQL.
bool is_schema(std::string_view x);

/// Makes `x` the store that `url` names; `sqlite:` is the folder `data`.
void place_store(store_options& x, std::string_view url, std::string_view data);

} // namespace sotto
