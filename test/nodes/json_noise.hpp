#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/random.hpp"

/// Bad input for readers of JSON; the same seed gives the same noise.
namespace sotto::test {

/// A text of random bytes, or of pieces of JSON in random order.
inline std::string random_text(splitmix& random) {
  constexpr std::string_view pieces[] = {"{",     "}",    "[",        "]",     ",",        ":",
                                         "\"a\"", "null", "-1",       "1e999", "true",     "\"\\u",
                                         "\\",    "\"",   "\"user\"", "\xc3",  "\xf0\x9f", "0"};
  std::string text;
  auto bytes = random() % 2 == 0;
  for (auto n = random() % 80; n > 0; --n)
    if (bytes)
      text += static_cast<char>(random());
    else
      text += pieces[random() % std::size(pieces)];
  return text;
}

/// A value of any kind, also of the wrong ones at the ends of their ranges.
inline nlohmann::json random_value(splitmix& random, int depth = 2) {
  using json = nlohmann::json;
  switch (random() % 14) {
  case 0:
    return nullptr;
  case 1:
    return random() % 2 == 0;
  case 2:
    return INT64_MIN;
  case 3:
    return UINT64_MAX;
  case 4:
    return -1.5e308;
  case 5:
    return 0;
  case 6:
    return "";
  case 7:
    return std::string(random() % 70'000, 'x');
  case 8:
    return std::string("\0\x1f\u00e9\U0001f600", 8);
  case 9:
    return 1;
  case 10:
  case 11: {
    auto x = json::array();
    for (auto n = depth > 0 ? random() % 4 : 0; n > 0; --n)
      x.push_back(random_value(random, depth - 1));
    return x;
  }
  default: {
    auto x = json::object();
    constexpr const char* keys[] = {"user", "text", "type", "role", "content", "channel_id"};
    for (auto n = depth > 0 ? random() % 4 : 0; n > 0; --n)
      x[keys[random() % std::size(keys)]] = random_value(random, depth - 1);
    return x;
  }
  }
}

/// Every place in `x`, itself included.
inline void places_of(nlohmann::json& x, std::vector<nlohmann::json*>& to) {
  to.push_back(&x);
  if (x.is_structured())
    for (auto& y : x)
      places_of(y, to);
}

/// A valid body with some values replaced or removed.
inline nlohmann::json mutated(nlohmann::json x, splitmix& random) {
  for (auto n = 1 + random() % 3; n > 0; --n) {
    std::vector<nlohmann::json*> places;
    places_of(x, places);
    auto& place = *places[random() % places.size()];
    if (place.is_object() && !place.empty() && random() % 3 == 0)
      place.erase(std::next(place.begin(), static_cast<long>(random() % place.size())));
    else
      place = random_value(random);
  }
  return x;
}

/// The text of a valid body with some bytes changed, lost or doubled.
inline std::string scratched(std::string text, splitmix& random) {
  for (auto n = 1 + random() % 4; n > 0 && !text.empty(); --n) {
    auto at = random() % text.size();
    if (random() % 3 == 0)
      text.erase(at, 1 + random() % 5);
    else if (random() % 2 == 0)
      text[at] = static_cast<char>(random());
    else
      text.insert(at, text.substr(at, random() % 10));
  }
  return text;
}

/// Calls `read` with noise of all kinds and with what is left of `valid` after mutations.
template <class Read>
void make_noise(const nlohmann::json& valid, uint64_t seed, Read read) {
  splitmix random{seed};
  const auto text = valid.dump();
  for (int i = 0; i < 3000; ++i)
    switch (i % 3) {
    case 0:
      read(random_text(random));
      break;
    case 1:
      read(mutated(valid, random).dump());
      break;
    default:
      read(scratched(text, random));
    }
}

} // namespace sotto::test
