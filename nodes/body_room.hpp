#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace sotto {

/// Room for what clients send and nobody has looked at yet, of all sockets of a server together:
/// ten thousand that each send a large body, slowly, must not fill the machine's memory. While
/// there is too much in all, who has an equal share of the room gets no more of it, and nobody
/// else, so that a tenant that floods takes nothing from others; there is at most twice the room in
/// all. Any thread may use it.
class body_room {
public:
  explicit body_room(size_t most) : most_(most) {}

  /// What one socket holds. Given back at its end.
  class part {
  public:
    /// So much of every socket is not counted: most requests are smaller.
    static constexpr size_t free = 16 << 10;

    part(std::shared_ptr<body_room> of, uint64_t tenant) : of_(std::move(of)), tenant_(tenant) {}
    part(const part&) = delete;
    part& operator=(const part&) = delete;
    ~part() { hold(0); }

    /// Whether there is room for so many bytes; what is held does not change where there is none.
    bool hold(size_t bytes) {
      auto wanted = bytes > free ? bytes - free : 0;
      std::lock_guard guard{of_->mutex_};
      if (wanted > held_ && !of_->take(tenant_, wanted - held_))
        return false;
      if (wanted < held_)
        of_->give_back(tenant_, held_ - wanted);
      held_ = wanted;
      return true;
    }

  private:
    std::shared_ptr<body_room> of_;
    uint64_t tenant_;
    size_t held_ = 0;
  };

  /// Bytes held, of all.
  size_t taken() const {
    std::lock_guard guard{mutex_};
    return taken_;
  }

private:
  bool take(uint64_t tenant, size_t more) {
    auto [at, isnew] = of_.try_emplace(tenant, 0);
    if (taken_ + more > most_ && at->second + more > most_ / of_.size()) {
      if (isnew)
        of_.erase(at);
      return false;
    }
    at->second += more;
    taken_ += more;
    return true;
  }

  void give_back(uint64_t tenant, size_t bytes) {
    taken_ -= bytes;
    if (auto at = of_.find(tenant); (at->second -= bytes) == 0)
      of_.erase(at);
  }

  const size_t most_;
  mutable std::mutex mutex_;
  size_t taken_ = 0;
  /// By tenant; only those who hold something.
  std::unordered_map<uint64_t, size_t> of_;
};

} // namespace sotto
