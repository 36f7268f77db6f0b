#pragma once

#include "messages/reembed.hpp"

namespace sotto {

/// One pass over all owners, a page at a time: the owners of a page who lack vectors are to be
/// woken, again and again, until none lacks any or nothing has changed for too long. Knows neither
/// clock nor store.
class reembed_pass {
public:
  /// `patience`: how long a page may stand still (nanoseconds).
  explicit reembed_pass(int64_t patience) : patience_(patience) {
    progress_.at = reembed_progress::phase::running;
  }

  /// The page to look at: the owners behind this key.
  const owner_key& after() const { return after_; }

  /// Takes what that page is at `now`. Returns the owners to be woken before it is looked at again;
  /// without any the next page is to be looked at, or the pass is over.
  std::vector<owner_key> look(const std::vector<owner_vectors>& page, int64_t now);

  /// The store failed.
  void fail(std::string why);

  bool running() const { return progress_.at == reembed_progress::phase::running; }
  const reembed_progress& progress() const { return progress_; }

private:
  void turn_page(const std::vector<owner_vectors>& page, uint64_t missing);

  int64_t patience_;
  owner_key after_;
  reembed_progress progress_;
  /// Of the page: whether it was seen before, what it lacked then, since when that stands, and
  /// whether it ever got less.
  bool seen_ = false, moved_ = false;
  uint64_t missing_ = 0;
  int64_t since_ = 0;
  /// Pages in a row that stood still from their beginning.
  int stuck_ = 0;
};

} // namespace sotto
