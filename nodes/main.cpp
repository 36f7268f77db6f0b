#include <algorithm>
#include <exception>
#include <stdexcept>

#include "nodes/cli.hpp"
#include "nodes/cli_commands.hpp"

#if __has_include("nodes/node.hpp")
#include "nodes/node.hpp"
#else
namespace sotto {
static int run_node(const options&) {
  complain("this program was built without the node");
  return exit_failure;
}
} // namespace sotto
#endif

namespace {

sotto::line_handler no_engine(const sotto::options&, bool) {
  throw std::runtime_error("this program was built without the engines of emotion and embedding");
}

} // namespace

int main(int argc, char** argv) {
  try {
    return sotto::run_cli({argv + std::min(argc, 1), argv + argc},
                          {sotto::run_node, no_engine, no_engine});
  } catch (const std::exception& problem) {
    sotto::complain(problem.what());
    return sotto::exit_failure;
  }
}
