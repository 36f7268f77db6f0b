#include "runtime/batch_policy.hpp"

#include <algorithm>
#include <cmath>

namespace sotto {

namespace {

/// Weight of the newest gap between arrivals, and of what was known before a served batch.
constexpr double newest_gap = 0.05;
constexpr double kept = 0.95;
/// From this share of its capacity on, an operation is worth batches that are waited for.
constexpr double busy_share = 0.7;

} // namespace

void batch_policy::arrived(int64_t now) {
  auto gap = static_cast<double>(std::max<int64_t>(now - last_arrival_, 1));
  if (last_arrival_ != 0)
    between_ = between_ == 0 ? gap : between_ + newest_gap * (gap - between_);
  last_arrival_ = now;
}

void batch_policy::served(size_t items, int64_t took) {
  auto n = static_cast<double>(items), t = static_cast<double>(std::max<int64_t>(took, 0));
  w_ = w_ * kept + 1;
  n_ = n_ * kept + n;
  nn_ = nn_ * kept + n * n;
  t_ = t_ * kept + t;
  nt_ = nt_ * kept + n * t;
}

double batch_policy::slope() const {
  auto spread = w_ * nn_ - n_ * n_;
  // Batches of one size alone cannot tell the two costs apart: all is put down to the items.
  if (spread <= 1e-6 * w_ * nn_)
    return n_ > 0 ? t_ / n_ : 0;
  return std::clamp((w_ * nt_ - n_ * t_) / spread, 0.0, t_ / n_);
}

double batch_policy::item_cost() const {
  return slope();
}

double batch_policy::fixed_cost() const {
  return w_ > 0 ? std::max((t_ - slope() * n_) / w_, 0.0) : 0;
}

size_t batch_policy::size() const {
  auto load = rate() * item_cost();
  if (w_ == 0 || load >= 1)
    return limits_.max_items;
  auto n = std::ceil(rate() * fixed_cost() / (1 - load));
  return static_cast<size_t>(std::clamp(n, static_cast<double>(limits_.min_items),
                                        static_cast<double>(limits_.max_items)));
}

int64_t batch_policy::window(size_t waiting, size_t running) const {
  auto goal = size();
  if (waiting == 0 || waiting >= goal || running > 0 || w_ == 0)
    return 0;
  // Share of the time that serving batches as small as this one would take.
  auto small = static_cast<double>(waiting);
  auto share = rate() * (fixed_cost() + item_cost() * small) / small;
  if (share < busy_share)
    return 0;
  auto wait = static_cast<double>(goal - waiting) * between_;
  return static_cast<int64_t>(std::min(wait, static_cast<double>(limits_.max_window)));
}

} // namespace sotto
