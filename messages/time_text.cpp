#include "messages/time_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace sotto {

namespace {

using namespace std::chrono;

/// Reads `digits` decimal digits at the front.
bool take(std::string_view& text, size_t digits, int& value) {
  if (text.size() < digits)
    return false;
  value = 0;
  for (auto c : text.substr(0, digits)) {
    if (c < '0' || c > '9')
      return false;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected)
    return false;
  text.remove_prefix(1);
  return true;
}

bool take_either(std::string_view& text, char a, char b) {
  return take(text, a) || take(text, b);
}

std::optional<int64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.'))
    return 0;
  int64_t micros = 0;
  size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
    if (digits < 6)
      micros = micros * 10 + (text.front() - '0');
    text.remove_prefix(1);
  }
  if (digits == 0 || digits > 9)
    return std::nullopt;
  for (; digits < 6; ++digits)
    micros *= 10;
  return micros;
}

/// Minutes east of UTC.
std::optional<int> take_offset(std::string_view& text) {
  if (take_either(text, 'Z', 'z'))
    return 0;
  auto west = !text.empty() && text.front() == '-';
  int h = 0, m = 0;
  if (!take_either(text, '+', '-') || !take(text, 2, h) || !take(text, ':') || !take(text, 2, m)
      || h > 23 || m > 59)
    return std::nullopt;
  return (west ? -1 : 1) * (h * 60 + m);
}

} // namespace

std::string rfc3339(int64_t micros) {
  sys_time<microseconds> at{microseconds{micros}};
  auto day = floor<days>(at);
  year_month_day date{day};
  hh_mm_ss time{at - day};
  std::array<char, 40> text;
  size_t size = 0;
  // By hand, for every reply has a handful of times and a format string costs ten times as much.
  auto put = [&](int64_t value, size_t digits, char after) {
    for (auto i = digits; i > 0; value /= 10)
      text[size + --i] = static_cast<char>('0' + value % 10);
    text[size += digits] = after;
    ++size;
  };
  put(std::clamp(int{date.year()}, 0, 9999), 4, '-');
  put(unsigned{date.month()}, 2, '-');
  put(unsigned{date.day()}, 2, 'T');
  put(time.hours().count(), 2, ':');
  put(time.minutes().count(), 2, ':');
  auto fraction = time.subseconds().count();
  put(time.seconds().count(), 2, fraction != 0 ? '.' : 'Z');
  if (fraction != 0)
    put(fraction, 6, 'Z');
  return {text.data(), size};
}

std::optional<int64_t> parse_rfc3339(std::string_view text) {
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  if (!take(text, 4, y) || !take(text, '-') || !take(text, 2, mo) || !take(text, '-')
      || !take(text, 2, d) || !(take_either(text, 'T', 't') || take(text, ' ')) || !take(text, 2, h)
      || !take(text, ':') || !take(text, 2, mi) || !take(text, ':') || !take(text, 2, s))
    return std::nullopt;
  auto fraction = take_fraction(text);
  auto offset = take_offset(text);
  auto date = year{y} / mo / d;
  // A leap second is taken as the second after it.
  if (!fraction || !offset || !text.empty() || y == 0 || !date.ok() || h > 23 || mi > 59 || s > 60)
    return std::nullopt;
  auto at = sys_days{date} + hours{h} + minutes{mi - *offset} + seconds{s};
  return duration_cast<microseconds>(at.time_since_epoch()).count() + *fraction;
}

} // namespace sotto
