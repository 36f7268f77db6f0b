#pragma once

#include <cstdint>

namespace sotto {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, seedable, good enough for ids and jitter.
/// Not for secrets.
class splitmix {
public:
  explicit splitmix(uint64_t seed) : state_(seed) {}

  uint64_t operator()() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

private:
  uint64_t state_;
};

/// A seed from the operating system, for a node whose configuration gives none.
uint64_t entropy_seed();

} // namespace sotto
