#include "actors/sse_parser.hpp"

namespace sotto {

bool sse_parser::feed(std::string_view bytes) {
  for (auto c : bytes) {
    auto second_half = after_cr_ && c == '\n';
    after_cr_ = c == '\r';
    if (second_half)
      continue;
    if (c == '\n' || c == '\r') {
      line(line_);
      line_.clear();
    } else {
      line_ += c;
    }
    if (line_.size() + data_.size() > largest)
      return false;
  }
  return true;
}

void sse_parser::line(std::string_view text) {
  if (text.empty()) {
    if (has_data_)
      on_data_(data_);
    data_.clear();
    has_data_ = false;
    return;
  }
  constexpr std::string_view field = "data";
  if (!text.starts_with(field))
    return;
  text.remove_prefix(field.size());
  if (!text.empty() && text.front() != ':')
    return;
  if (!text.empty())
    text.remove_prefix(1);
  if (text.starts_with(' '))
    text.remove_prefix(1);
  if (has_data_)
    data_ += '\n';
  data_ += text;
  has_data_ = true;
}

} // namespace sotto
