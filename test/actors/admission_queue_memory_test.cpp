// What becomes of ADMISSION's queue where memory runs out in the middle of a change.
#include <cstdlib>
#include <map>
#include <new>

#include <catch2/catch.hpp>

#include "actors/admission_queue.hpp"

using namespace sotto;

namespace {

/// Allocations of this thread until one fails; negative: none does.
thread_local int allocations_left = -1;

bool fails_now() {
  return allocations_left >= 0 && allocations_left-- == 0;
}

/// A turn that knows whether it was lost without a word.
class counted {
public:
  counted() = default;
  counted(int id, std::map<int, int>& lost) : id_(id), lost_(&lost) {}
  counted(counted&& x) noexcept : id_(std::exchange(x.id_, 0)), lost_(x.lost_) {}
  counted& operator=(counted&& x) noexcept {
    std::swap(id_, x.id_);
    std::swap(lost_, x.lost_);
    return *this;
  }
  ~counted() {
    if (id_ != 0)
      ++lost_->at(id_);
  }
  int taken() { return std::exchange(id_, 0); }

private:
  int id_ = 0;
  std::map<int, int>* lost_ = nullptr;
};

} // namespace

// Both are ours, which the compiler does not see where it has one of them inline.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(size_t size) {
  if (!fails_now())
    if (auto* x = std::malloc(size == 0 ? 1 : size))
      return x;
  throw std::bad_alloc{};
}

void operator delete(void* x) noexcept {
  std::free(x);
}

void operator delete(void* x, size_t) noexcept {
  std::free(x);
}

TEST_CASE("wherever memory runs out, no slot and no turn of the queue is lost") {
  constexpr int turns = 24;
  auto failed = 0;
  for (int fail_at = 0;; ++fail_at) {
    INFO("allocation " << fail_at << " fails");
    std::map<int, int> lost;
    std::map<int, uint64_t> started;
    std::vector<uint64_t> running;
    tenant_load load;
    admission_limits limits;
    limits.running = 3;
    limits.queue.bound = 8;
    admission_queue<counted> queue{limits, &load};
    auto broke = false;
    // As ADMISSION does it: what throws is over, the queue is put in order, and it goes on.
    auto attempt = [&](auto what) {
      try {
        what();
      } catch (const std::bad_alloc&) {
        allocations_left = -1;
        broke = true;
        queue.rebuild(1);
      }
    };
    // The test's own notes do not fail.
    auto note = [&](counted& x, uint64_t number) {
      auto left = std::exchange(allocations_left, -1);
      started[x.taken()] = number;
      if (number != 0)
        running.push_back(number);
      allocations_left = left;
    };
    auto serve = [&] {
      while (auto x = queue.next(1))
        note(x->what, x->number);
      for (auto& x : queue.refused())
        note(x, 0);
    };
    for (int i = 1; i <= turns; ++i)
      lost[i] = 0;
    allocations_left = fail_at;
    for (int i = 1; i <= turns; ++i) {
      turn_class of;
      of.name = {7, static_cast<uint64_t>(i)};
      of.conversation = static_cast<uint64_t>(i % 5);
      of.tenant = 1 + static_cast<uint64_t>(i % 3);
      of.level = static_cast<priority>(i % 5);
      of.key = i % 4 == 0 ? 9 : 0;
      of.deadline = 100 + i;
      attempt([&] { queue.add(counted{i, lost}, of, 1); });
      attempt(serve);
      if (i % 6 == 0)
        attempt([&] {
          if (auto x = queue.remove({7, static_cast<uint64_t>(i - 1)}, 1))
            note(*x, 0);
        });
    }
    allocations_left = -1;
    while (!running.empty()) {
      auto all = std::exchange(running, {});
      for (auto number : all)
        queue.ended(number, 1);
      serve();
    }
    for (auto number : queue.lost(limits.longest + 2)) // started, but never told to anybody
      queue.ended(number, 1);
    serve();
    CHECK(queue.idle());
    CHECK(queue.holding() == 0);
    CHECK(load.active() == 0);
    for (int i = 1; i <= turns; ++i) // each was told once: started, refused, or dropped
      CHECK(lost[i] + static_cast<int>(started.count(i)) == 1);
    if (!broke)
      break;
    ++failed;
  }
  CHECK(failed > 100);
}
