#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "messages/turn.hpp"

namespace sotto {

/// How the tokens of one turn go to a frontend that reads them slowly: what may not be sent yet is
/// gathered into one larger piece, while the turn goes on. Knows no actor and no socket.
class token_pacer {
public:
  static constexpr uint64_t unlimited = std::numeric_limits<uint64_t>::max();
  /// Most bytes that are gathered (a piece more, at most). A turn whose frontend has no credit by
  /// then gets no further tokens: its reply has the whole text.
  static constexpr size_t max_gathered = 64 << 10;

  /// `pieces`: how many the frontend lets itself be sent.
  token_pacer() = default;
  explicit token_pacer(uint64_t pieces) : credit_(pieces) {}

  /// A piece arrived; returns what to send now. `busy`: the socket has much to send already.
  std::optional<stream_piece> arrived(stream_piece x, bool busy) {
    if (cut_ || x.text.empty())
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

  /// What is left to send when the reply is there.
  std::optional<stream_piece> last() {
    return credit_ > 0 && !gathered_.text.empty() ? std::optional{take()} : std::nullopt;
  }

private:
  stream_piece take() {
    if (credit_ != unlimited)
      --credit_;
    return std::exchange(gathered_, {});
  }

  uint64_t credit_ = unlimited;
  bool cut_ = false;
  stream_piece gathered_;
};

} // namespace sotto
