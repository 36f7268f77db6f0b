#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "messages/turn.hpp"

namespace sotto {

/// How the tokens of one turn go to a frontend that reads them slowly: what may not be sent yet is
/// gathered into one larger piece, while the turn goes on. Knows no actor and no socket.
///
/// The tokens put together are the text, or its beginning: where a piece was lost on the way, as a
/// mailbox was full, those after it are held back, and the end brings all that is missing.
class token_pacer {
public:
  static constexpr uint64_t unlimited = std::numeric_limits<uint64_t>::max();
  /// Most bytes that are gathered (a piece more, at most). A turn whose frontend has no credit by
  /// then gets no further tokens: its reply has the whole text.
  static constexpr size_t max_gathered = 64 << 10;

  /// `pieces`: how many the frontend lets itself be sent.
  token_pacer() = default;
  explicit token_pacer(uint64_t pieces) : credit_(pieces) {}

  /// The text is wanted from this byte on, which the turn confirmed.
  void begin(uint64_t from) { end_ = from; }

  /// A piece arrived; returns what to send now. `busy`: the socket has much to send already.
  std::optional<stream_piece> arrived(stream_piece x, bool busy) {
    if (cut_ || !follow_on(x))
      return std::nullopt;
    if (gathered_.text.empty())
      gathered_ = std::move(x);
    else
      gathered_.text += x.text;
    auto full = gathered_.text.size() >= max_gathered;
    if (credit_ > 0 && (!busy || full))
      return take();
    if (full) {
      cut_ = true;
      gathered_ = {};
    }
    return std::nullopt;
  }

  /// The frontend lets itself be sent more; returns what to send now.
  std::optional<stream_piece> granted(uint64_t pieces) {
    if (credit_ != unlimited)
      credit_ = pieces < unlimited - 1 - credit_ ? credit_ + pieces : unlimited - 1;
    return last();
  }

  /// What is left to send when the reply is there, whose text this is.
  std::optional<stream_piece> last(std::string_view text = {}) {
    if (!cut_ && end_ < text.size()) {
      if (gathered_.text.empty())
        gathered_.offset = end_;
      gathered_.text += text.substr(end_);
      end_ = text.size();
    }
    return credit_ > 0 && !gathered_.text.empty() ? std::optional{take()} : std::nullopt;
  }

private:
  /// Leaves of a piece what is new. False: nothing, or what is before it is missing.
  bool follow_on(stream_piece& x) {
    auto end = x.offset + x.text.size();
    if (x.offset > end_ || end <= end_)
      return false;
    x.text.erase(0, end_ - x.offset);
    x.offset = std::exchange(end_, end);
    return true;
  }

  stream_piece take() {
    if (credit_ != unlimited)
      --credit_;
    return std::exchange(gathered_, {});
  }

  uint64_t credit_ = unlimited;
  /// Where the text ends that arrived without a gap.
  uint64_t end_ = 0;
  bool cut_ = false;
  stream_piece gathered_;
};

} // namespace sotto
