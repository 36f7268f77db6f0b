#include "runtime/postgres_link.hpp"

#include <algorithm>
#include <thread>

#include <spdlog/spdlog.h>

namespace sotto {

namespace {

constexpr int64_t first_pause = 20'000'000, longest_pause = 1'000'000'000;

} // namespace

postgres::target target_of(const store_options& options) {
  postgres::target to;
  to.url = options.url;
  to.schema = options.schema;
  to.connect_timeout = options.connect_timeout;
  to.answer_timeout = options.answer_timeout;
  return to;
}

failure gone() {
  return {ec::unavailable, "the store's database cannot be reached at the moment", {}, 1};
}

void wait_nanos(int64_t time) {
  std::this_thread::sleep_for(std::chrono::nanoseconds{time});
}

bool postgres_link::patient() const {
  return gone_ == 0 || time_.now() < gone_ + patience_;
}

failure postgres_link::ready() {
  if (db_.alive())
    return {};
  auto now = time_.now();
  if (gone_ == 0) {
    gone_ = now;
    next_try_ = now;
    pause_ = first_pause;
  }
  auto until = gone_ + patience_;
  while (true) {
    if (now < next_try_) {
      if (next_try_ > until)
        return why_;
      time_.wait(next_try_ - now);
    }
    why_ = attempt();
    now = time_.now();
    tell(now);
    next_try_ = now + pause_;
    pause_ = std::min(2 * pause_, longest_pause);
    if (why_.code != ec::unavailable)
      return why_;
    why_.retry_after = 1;
  }
}

void postgres_link::tell(int64_t now) {
  auto unavailable = why_.code == ec::unavailable;
  if (unavailable == told_ || (why_ && !unavailable))
    return;
  told_ = !told_;
  if (told_)
    spdlog::warn("store waits for its database: {}", why_.message);
  else
    spdlog::info("store reached its database again after {} ms", (now - gone_) / 1'000'000);
}

failure postgres_link::attempt() {
  auto why = db_.open(to_);
  if (!why) {
    db_.run(postgres::notice_loss); // what is lost here is found by the next
    why = prepare_(db_);
  }
  if (why)
    db_.close();
  return why;
}

} // namespace sotto
