#include "actors/builtin_responder.hpp"

#include <array>
#include <span>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <xxhash.h>

#include "actors/text_terms.hpp"

namespace sotto {

namespace {

/// Memories that score less say nothing about a question.
constexpr float good_score = 0.5F;
constexpr float strong_feeling = 0.35F;

using phrases = std::span<const std::string_view>;

std::string_view pick(phrases from, std::string_view text, uint64_t salt) {
  return from[XXH3_64bits_withSeed(text.data(), text.size(), salt) % from.size()];
}

/// Opening words for a mood; nothing for a neutral one.
phrases opening(std::string_view mood) {
  static constexpr std::array<std::string_view, 3> glad{
      "That sounds lovely.", "I can hear how good that feels.", "What a happy thing to tell me."};
  static constexpr std::array<std::string_view, 3> sad{"I am sorry, that sounds hard.",
                                                       "That sounds heavy to carry.",
                                                       "I am sorry you feel like this."};
  static constexpr std::array<std::string_view, 3> angry{"That would upset me too.",
                                                         "I hear how angry this makes you.",
                                                         "That sounds really frustrating."};
  static constexpr std::array<std::string_view, 3> afraid{"That sounds frightening.",
                                                          "It makes sense that this worries you.",
                                                          "I understand that this scares you."};
  static constexpr std::array<std::string_view, 2> surprised{"I did not see that coming either!",
                                                             "What a surprise!"};
  static constexpr std::array<std::string_view, 2> grateful{"You are very welcome.",
                                                            "I am glad it helped."};
  static constexpr std::array<std::string_view, 2> calm{"That sounds peaceful.",
                                                        "It is good to hear you at ease."};
  static constexpr std::array<std::string_view, 2> proud{"You can be proud of that.",
                                                         "Well done, truly."};
  static constexpr std::array<std::string_view, 2> ashamed{
      "There is no need to be so hard on yourself.", "Thank you for trusting me with that."};
  if (mood == "joy" || mood == "love" || mood == "excitement")
    return glad;
  if (mood == "sadness")
    return sad;
  if (mood == "anger" || mood == "disgust")
    return angry;
  if (mood == "fear")
    return afraid;
  if (mood == "surprise")
    return surprised;
  if (mood == "gratitude")
    return grateful;
  if (mood == "calm")
    return calm;
  if (mood == "pride")
    return proud;
  if (mood == "shame")
    return ashamed;
  return {};
}

bool starts_with_any(std::string_view first, phrases words) {
  for (auto& x : words)
    if (first == x)
      return true;
  return false;
}

std::string first_word(std::string_view text) {
  std::string result;
  each_word(text, [&](std::string_view word) {
    if (result.empty())
      result = word;
  });
  return result;
}

bool is_question(std::string_view text) {
  static constexpr std::array<std::string_view, 19> asking{
      "what", "who", "when", "where", "why", "how",   "which", "do",    "does", "did",
      "is",   "are", "was",  "were",  "can", "could", "will",  "whose", "have"};
  return text.find('?') != std::string_view::npos || starts_with_any(first_word(text), asking);
}

bool is_greeting(std::string_view text) {
  static constexpr std::array<std::string_view, 6> hellos{"hi",   "hello",     "hey",
                                                          "moin", "greetings", "good"};
  return text.size() < 40 && starts_with_any(first_word(text), hellos);
}

std::string quote(const recalled& x) {
  auto day = fmt::gmtime(static_cast<time_t>(x.what.created / 1'000'000));
  return fmt::format("on {} {:%B} you told me: \u201c{}\u201d", day.tm_mday, day, x.what.text);
}

/// The best memory that the person told us themselves: our own old words are no evidence.
const recalled* evidence(const generation& ask) {
  for (auto& x : ask.memories)
    if (!x.what.own && x.score >= good_score && !is_question(x.what.text))
      return &x;
  return nullptr;
}

std::string answer(const generation& ask, std::string_view text) {
  static constexpr std::array<std::string_view, 3> found{
      "I remember: {}.", "Let me think \u2013 {}.", "If I recall it right, {}."};
  static constexpr std::array<std::string_view, 3> unknown{
      "I do not remember you telling me about that yet. Tell me, and I will keep it in mind.",
      "I cannot find that among what you have told me. Would you tell me?",
      "That is not something I know about you yet. I would like to."};
  if (auto* x = evidence(ask))
    return fmt::format(fmt::runtime(pick(found, text, 1)), quote(*x));
  return std::string{pick(unknown, text, 2)};
}

std::string reflection(const generation& ask, std::string_view text) {
  static constexpr std::array<std::string_view, 4> keep{
      "I will remember that. What happened next?", "I have made a note of it. Tell me more?",
      "Thank you for telling me. How did it come about?", "I will keep that in mind. And you?"};
  static constexpr std::array<std::string_view, 2> linked{"It reminds me that {}.",
                                                          "It makes me think of how {}."};
  std::string result{pick(keep, text, 3)};
  if (auto* x = evidence(ask))
    result = fmt::format(fmt::runtime(pick(linked, text, 4)), quote(*x)) + ' ' + result;
  return result;
}

std::string_view last_words(const generation& ask) {
  for (auto x = ask.messages.rbegin(); x != ask.messages.rend(); ++x)
    if (x->role == "user")
      return x->content;
  return {};
}

/// Words of its own accord: the last message is the system's instruction to say something.
bool speaks_first(const generation& ask) {
  return ask.messages.size() > 1 && ask.messages.back().role == "system";
}

std::string first_words(std::string_view text) {
  static constexpr std::array<std::string_view, 3> told{
      "I was thinking of what you told me: \u201c{}\u201d How is that now?",
      "You said \u201c{}\u201d earlier. Is there anything new?",
      "Your words stayed with me: \u201c{}\u201d How do you feel about it now?"};
  static constexpr std::array<std::string_view, 2> quiet{
      "It has been quiet for a while. How are you?", "I was thinking of you. How is your day?"};
  if (count_words(text) == 0 || is_question(text) || is_greeting(text))
    return std::string{pick(quiet, text, 8)};
  return fmt::format(fmt::runtime(pick(told, text, 9)), text);
}

} // namespace

std::string compose_reply(const generation& ask) {
  static constexpr std::array<std::string_view, 3> hello{"Hello! It is good to hear from you.",
                                                         "Hi there! How are you today?",
                                                         "Hey! I am glad you are here."};
  static constexpr std::array<std::string_view, 2> silent{"I am here.",
                                                          "Take your time. I am listening."};
  auto text = last_words(ask);
  if (speaks_first(ask))
    return first_words(text);
  if (count_words(text) == 0)
    return std::string{pick(silent, text, 5)};
  if (is_greeting(text) && !is_question(text))
    return std::string{pick(hello, text, 6)};
  std::string result;
  auto words = opening(ask.emotion.primary);
  if (!words.empty() && ask.emotion.intensity >= strong_feeling && !is_question(text))
    result = fmt::format("{} ", pick(words, text, 7));
  return result + (is_question(text) ? answer(ask, text) : reflection(ask, text));
}

completion respond(const generation& ask) {
  completion result;
  result.text = compose_reply(ask);
  result.model = result.deployment = "builtin";
  for (auto& x : ask.messages)
    result.usage.prompt += static_cast<uint32_t>(count_words(x.content));
  result.usage.completion = static_cast<uint32_t>(count_words(result.text));
  return result;
}

llm_actor::behavior_type builtin(actor_of<llm_actor, builtin_state>* self) {
  return {
      [self](const context& ctx, atom::generate, const llm_client_actor& client, uint64_t ticket,
             const generation& ask) {
        auto done = respond(ask);
        if (ask.stream) {
          for (size_t from = 0; from < done.text.size();) {
            auto to = std::min(done.text.find(' ', from), done.text.size() - 1) + 1;
            self->send<caf::message_priority::high>(client, self->child(ctx), atom::token_v, ticket,
                                                    done.text.substr(from, to - from));
            from = to;
          }
        }
        self->send<caf::message_priority::high>(client, self->child(ctx), atom::completed_v, ticket,
                                                std::move(done));
      },
      // What is cancelled was answered before, unless it waited (`base_actor`).
      [](const context&, atom::cancel, const llm_client_actor&, uint64_t) {},
  };
}

} // namespace sotto
