#include "nodes/chat_stream.hpp"

#include <fmt/format.h>

namespace sotto {

namespace {

using json = nlohmann::json;

/// The member `key` if it is text, else empty.
std::string text_of(const json& x, const char* key) {
  auto i = x.is_object() ? x.find(key) : x.end();
  return x.is_object() && i != x.end() && i->is_string() ? i->get<std::string>() : std::string{};
}

double number_of(const json& x, const char* key) {
  auto i = x.is_object() ? x.find(key) : x.end();
  return x.is_object() && i != x.end() && i->is_number() ? i->get<double>() : 0;
}

const json& member(const json& x, const char* key) {
  static const json none;
  auto i = x.is_object() ? x.find(key) : x.end();
  return x.is_object() && i != x.end() ? *i : none;
}

} // namespace

void chat_stream::feed(std::string_view bytes) {
  if (!parser_.feed(bytes))
    problem_ = "the node sent an event that is too long";
}

void chat_stream::event(std::string_view data) {
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  auto x = json::parse(data, nullptr, false);
  if (!x.is_object())
    problem_ = "the node sent an event that is no JSON object";
  else if (auto& error = member(x, "error"); !error.is_null()) {
    problem_ = error.is_string() ? error.get<std::string>() : text_of(error, "message");
    if (problem_.empty())
      problem_ = "the node sent an error without a message";
  } else
    chunk(x);
}

void chat_stream::chunk(const json& x) {
  if (auto model = text_of(x, "model"); !model.empty())
    model_ = model;
  if (auto& about = member(x, "sotto"); about.is_object())
    about_ = about;
  auto& choices = member(x, "choices");
  if (!choices.is_array() || choices.empty())
    return;
  auto token = text_of(member(choices[0], "delta"), "content");
  if (token.empty())
    return;
  text_ += token;
  if (token_)
    token_(token);
}

std::string chat_stream::problem() const {
  if (!problem_.empty())
    return problem_;
  return done_ ? "" : "the reply broke off";
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    // U+0080 to U+009F are C2 80 to C2 9F.
    if (byte == 0xc2 && next >= 0x80 && next <= 0x9f)
      ++i;
    else if ((byte >= 0x20 && byte != 0x7f) || byte == '\n' || byte == '\t')
      out += text[i];
  }
  return out;
}

std::string mood_line(const json& about) {
  auto& x = member(about, "emotion");
  if (!x.is_object())
    return {};
  return printable(fmt::format("{} {:.2f} (valence {:.2f}, arousal {:.2f}, dominance {:.2f})",
                               text_of(x, "primary"), number_of(x, "intensity"),
                               number_of(x, "valence"), number_of(x, "arousal"),
                               number_of(x, "dominance")));
}

std::string memory_line(const json& memory) {
  auto out = text_of(memory, "created").substr(0, 10);
  if (auto speaker = text_of(memory, "speaker"); !speaker.empty())
    out += (out.empty() ? "" : "  ") + speaker + ":";
  if (auto text = text_of(memory, "text"); !text.empty())
    out += (out.empty() ? "" : " ") + text;
  if (auto why = text_of(memory, "why"); !why.empty())
    out += fmt::format("  ({})", why);
  if (auto id = text_of(memory, "id"); !id.empty())
    out += fmt::format("  [{}]", id);
  std::replace(out.begin(), out.end(), '\n', ' ');
  return printable(out);
}

const json& memories_of(const json& about) {
  return member(about, "memories");
}

std::string degraded_line(const json& about) {
  std::string out;
  if (auto& parts = member(about, "degraded"); parts.is_array())
    for (auto& x : parts)
      if (x.is_string())
        out += (out.empty() ? "" : ", ") + x.get<std::string>();
  return printable(out);
}

} // namespace sotto
