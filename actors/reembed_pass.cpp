#include "actors/reembed_pass.hpp"

#include <utility>

namespace sotto {

namespace {

/// One page may hold nothing but texts that cannot be embedded; so many in a row do not.
constexpr int most_stuck = 3;

} // namespace

std::vector<owner_key> reembed_pass::look(const std::vector<owner_vectors>& page, int64_t now) {
  std::vector<owner_key> wake;
  if (!running())
    return wake;
  if (page.empty()) {
    progress_.at = reembed_progress::phase::done;
    return wake;
  }
  uint64_t missing = 0;
  for (auto& x : page) {
    missing += x.missing;
    if (x.missing > 0)
      wake.push_back(x.owner);
  }
  if (!std::exchange(seen_, true) || missing < missing_) {
    if (missing < missing_) {
      progress_.embedded += missing_ - missing;
      moved_ = true;
    }
    since_ = now;
  }
  missing_ = missing;
  if (missing > 0 && now - since_ <= patience_)
    return wake;
  turn_page(page, missing);
  return {};
}

void reembed_pass::turn_page(const std::vector<owner_vectors>& page, uint64_t missing) {
  progress_.owners += page.size();
  progress_.left += missing;
  stuck_ = missing > 0 && !moved_ ? stuck_ + 1 : 0;
  after_ = page.back().owner;
  seen_ = moved_ = false;
  missing_ = 0;
  if (stuck_ >= most_stuck)
    fail("the provider embedded nothing for a long time; see the node's log, and start again");
}

void reembed_pass::fail(std::string why) {
  progress_.at = reembed_progress::phase::stopped;
  progress_.why = std::move(why);
}

} // namespace sotto
