// CONNECTION's calls with arrays of texts.
#include <charconv>

#include "nodes/connection.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

namespace {

/// An array is split among the EMOTION actors, but for parts smaller than this.
constexpr size_t smallest_part = 128;
/// The parts of one array on their way through several actors.
struct gathered_parts {
  std::vector<std::string> texts;
  size_t left = 0;
  failure why;
};

/// A failure of the part that begins at `from`: `input[3]` is counted from the array's beginning.
failure in_whole(failure why, size_t from) {
  constexpr std::string_view before = "input[";
  size_t place = 0;
  const auto* end = why.param.data() + why.param.size();
  if (why.param.starts_with(before)
      && std::from_chars(why.param.data() + before.size(), end, place).ec == std::errc{})
    why.param = "input[" + std::to_string(from + place) + "]";
  return why;
}

} // namespace

void connection_state::embeddings(const http_call& call) {
  failure why;
  auto ask = std::make_shared<embeddings_call>(read_embeddings(call.body, to_->with, why));
  if (why)
    return refuse(why);
  self_
      ->request(to_->embedding, patience(), within(work_.ctx), atom::embed_v, std::move(ask->input))
      .then(
          [this, ask](const std::vector<std::vector<float>>& x) {
            http_answer whole;
            whole.body = embedding_list(x, *ask);
            answer(std::move(whole));
          },
          [this](const caf::error& err) { refuse(to_failure(err)); });
}

void connection_state::emotions(const http_call& call) {
  failure why;
  auto texts = read_emotions(call.body, why);
  if (why)
    return refuse(why);
  auto all = std::make_shared<gathered_parts>();
  all->left = std::clamp<size_t>(texts.size() / smallest_part, 1, to_->emotions.size());
  all->texts.resize(all->left);
  auto arrived = [this, all] {
    if (--all->left > 0)
      return;
    if (all->why)
      return refuse(all->why);
    http_answer whole;
    whole.body = emotion_list(all->texts);
    answer(std::move(whole));
  };
  auto parts = all->texts.size();
  for (size_t i = 0; i < parts; ++i) {
    auto from = texts.size() * i / parts, to = texts.size() * (i + 1) / parts;
    auto at = [&](size_t place) {
      return std::make_move_iterator(texts.begin() + static_cast<ptrdiff_t>(place));
    };
    auto& actor = parts == 1 ? to_->emotion : to_->emotions[i];
    self_
        ->request(actor, patience(), within(work_.ctx), atom::write_v,
                  std::vector<std::string>(at(from), at(to)))
        .then(
            [all, arrived, i](std::string& x) {
              all->texts[i] = std::move(x);
              arrived();
            },
            [all, arrived, from](const caf::error& err) {
              if (!all->why)
                all->why = in_whole(to_failure(err), from);
              arrived();
            });
  }
}

} // namespace sotto
