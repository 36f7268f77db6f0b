#pragma once

#include "messages/error.hpp"
#include "messages/store.hpp"

namespace sotto {

/// What can be said of a write without the database: the same in every engine.
failure check(const store_write& x);

} // namespace sotto
