#pragma once

#include <cstdint>
#include <optional>
#include <utility>

namespace sotto {

struct link_credit {
  uint64_t frames = 0;
  uint64_t bytes = 0;
};

/// What may be sent before the receiver gives credit for more.
class send_window {
public:
  /// `most` is what the receiver said that it takes; both at least 1.
  void open(link_credit most) {
    most_ = most;
    out_ = {};
  }

  /// Whether a frame of so many bytes may go. One that is larger than the window goes while little
  /// else is out: a receiver keeps back credit for less than a quarter.
  bool takes(uint64_t bytes) const {
    return out_.frames < most_.frames
           && (out_.bytes + bytes <= most_.bytes || out_.bytes * 4 < most_.bytes
               || out_.frames == 0);
  }

  void sent(uint64_t bytes) {
    ++out_.frames;
    out_.bytes += bytes;
  }

  /// More than is out counts as all of it.
  void credited(link_credit x) {
    out_.frames -= x.frames < out_.frames ? x.frames : out_.frames;
    out_.bytes -= x.bytes < out_.bytes ? x.bytes : out_.bytes;
  }

  const link_credit& out() const { return out_; }

private:
  link_credit most_;
  link_credit out_;
};

/// What was taken, until there is enough of it to be worth a message.
class credit_gatherer {
public:
  explicit credit_gatherer(link_credit window) : window_(window) {}

  void restart() { taken_ = {}; }

  void took(uint64_t bytes) {
    ++taken_.frames;
    taken_.bytes += bytes;
  }

  /// The credit to be given: from a quarter of the window on.
  std::optional<link_credit> due() {
    if (taken_.frames == 0
        || (taken_.frames * 4 < window_.frames && taken_.bytes * 4 < window_.bytes))
      return std::nullopt;
    return std::exchange(taken_, {});
  }

private:
  link_credit window_;
  link_credit taken_;
};

} // namespace sotto
