#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace sotto {

/// Splits a stream of bytes into server-sent events (WHATWG HTML, "Server-sent events"): lines end
/// with CR, LF or CRLF, wherever the pieces are cut. Only the data of events is taken.
class sse_parser {
public:
  /// `on_data` gets the data of every event; several data lines are joined by a line feed.
  explicit sse_parser(std::function<void(std::string_view)> on_data)
      : on_data_(std::move(on_data)) {}

  /// False if an event is larger than a mebibyte; nothing more is taken then.
  bool feed(std::string_view bytes);

private:
  void line(std::string_view text);

  static constexpr size_t largest = 1 << 20;

  std::function<void(std::string_view)> on_data_;
  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_cr_ = false;
};

} // namespace sotto
