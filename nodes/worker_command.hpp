#pragma once

#include <string>
#include <vector>

#include "config/options.hpp"

namespace sotto {

/// The command line of the child process that runs `operation` for a node with these options.
std::vector<std::string> worker_arguments(const options& with, const std::string& operation);

/// `sotto worker OPERATION`: the child's side; started by a node, never by people. Returns the exit
/// code; 2 for an operation there is not.
int run_worker(const options& with, const std::string& operation);

/// The operations that can run in a process of their own.
const std::vector<std::string>& isolated_operations();

} // namespace sotto
