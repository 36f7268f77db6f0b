#include "actors/link_hello.hpp"

#include <fmt/format.h>

namespace sotto {

namespace {

std::string speaks(const link_hello& x) {
  return fmt::format("{} (sotto {}, protocols {} to {})", x.node, x.version, x.oldest, x.newest);
}

} // namespace

failure check_hello(const link_hello& self, const std::string& expected, const link_hello& other) {
  auto wrong = [](std::string text) { return failure{ec::invalid, std::move(text), {}}; };
  if (other.cluster != self.cluster)
    return wrong(fmt::format("node {} is of cluster {}, node {} of cluster {}: give each cluster a "
                             "database and an authority of its own",
                             other.node, other.cluster, self.node, self.cluster));
  if (other.node == self.node)
    return wrong(fmt::format("two nodes have the name {}: give each a name of its own", self.node));
  if (other.node != expected)
    return wrong(fmt::format("node {} was expected, and {} answers: the address of one is wrong",
                             expected, other.node));
  if (other.oldest > self.newest || self.oldest > other.newest)
    return wrong(fmt::format("{} and {} have no protocol in common: upgrade one step at a time",
                             speaks(self), speaks(other)));
  if (other.window == 0 || other.window_bytes == 0)
    return wrong(fmt::format("node {} takes nothing: its window is 0", other.node));
  return {};
}

} // namespace sotto
