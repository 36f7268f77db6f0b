#pragma once

#include <memory>
#include <string>

#include "config/options.hpp"
#include "runtime/memory_account.hpp"

namespace sotto {

/// The account of a node with these options.
std::shared_ptr<memory_account> make_account(const options& with);

/// Appends what conversations hold in memory, in Prometheus' text format; read when it is asked
/// for.
void append_memory(std::string& text, const memory_account& x);

} // namespace sotto
