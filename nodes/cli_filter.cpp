#include <exception>

#include <unistd.h>

#include "nodes/cli_commands.hpp"

namespace sotto {

int filter_command(const cli_call& call, const options& x,
                   line_handler (*open)(const options&, bool json), std::string_view header) {
  try {
    auto line = open(x, call.json);
    if (!call.json && !header.empty())
      print(header);
    auto problem = filter_lines(STDIN_FILENO, STDOUT_FILENO, line);
    if (problem.empty())
      return exit_ok;
    complain(problem);
  } catch (const std::exception& problem) {
    complain(problem.what());
  }
  return exit_failure;
}

} // namespace sotto
