#pragma once

#include "messages/error.hpp"
#include "messages/store.hpp"

namespace sotto {

/// What can be said of a write without the database: the same in every engine.
failure check(const store_write& x);

/// How a store calls the author of a group's memory: with the tenant, whose name has no slash, so
/// that the time of looking one up tells nothing of other tenants. Empty for nobody.
std::string stored_author(const std::string& tenant, const std::string& author);
std::string read_author(std::string_view stored);

} // namespace sotto
