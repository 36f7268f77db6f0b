#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>

#include <fmt/format.h>

namespace sotto::bench {

/// Short texts as people write them to a companion, the same for the same seed.
class talk {
public:
  explicit talk(uint64_t seed) : random_(seed) {}

  std::string next() {
    static constexpr std::array<const char*, 8> openings{
        "Today I",        "My sister",      "I wish I",          "Yesterday we",
        "Do you know if", "My friend Anna", "Honestly, my boss", "This morning the dog"};
    static constexpr std::array<const char*, 10> deeds{
        "went to the lake",      "started a new job", "lost the keys again",
        "cooked dinner for six", "read a sad book",   "fixed the old bike",
        "was so angry",          "laughed about it",  "missed the last train",
        "learned some Greek"};
    static constexpr std::array<const char*, 8> ends{
        "and it was wonderful!", "because of the rain.", "which made me happy.",
        "and I am worried.",     "near the old bridge.", "with the children.",
        "for the first time.",   "what do you think?"};
    return fmt::format("{} {} {} {}", pick(openings), pick(deeds), pick(ends), random_() % 10'000);
  }

private:
  template <size_t N>
  const char* pick(const std::array<const char*, N>& from) {
    return from[random_() % N];
  }

  std::mt19937_64 random_;
};

} // namespace sotto::bench
