#include "actors/senses.hpp"

#include <array>
#include <unordered_map>

#include "actors/text_terms.hpp"

namespace sotto {

namespace {

constexpr std::array<const char*, 5> topic_names{"work", "personal", "learning", "health", "tech"};

/// Words by topic; stemmed like the text they are looked for in.
constexpr std::array<const char*, 5> topic_words{
    "work job boss office meeting project deadline colleague career salary interview client "
    "manager promotion business company contract",
    "family friend mother father sister brother wife husband partner boyfriend girlfriend "
    "daughter son birthday wedding relationship home vacation weekend dog cat",
    "learn study school university college exam course lesson homework teacher student class "
    "degree thesis reading practice language",
    "health doctor hospital sick illness medicine exercise gym workout diet sleep pain headache "
    "therapy therapist surgery flu fever tired",
    "computer software code programming laptop phone app website internet server database linux "
    "python robot ai game technology bug"};

const std::unordered_map<uint64_t, size_t>& topic_terms() {
  static const auto terms = [] {
    std::unordered_map<uint64_t, size_t> result;
    for (size_t i = 0; i < topic_words.size(); ++i)
      for (auto term : terms_of(topic_words[i]))
        result.emplace(term, i);
    return result;
  }();
  return terms;
}

caf::error missing(const char* file) {
  return to_error({ec::unavailable,
                   std::string{"there is no "} + file + "; run scripts/data/fetch and start again",
                   {}});
}

} // namespace

emotion_actor::behavior_type emotion(actor_of<emotion_actor, emotion_state>*,
                                     std::shared_ptr<const emotion_engine> engine) {
  return {
      [engine](const context&, atom::analyse,
               const std::string& text) -> caf::result<emotion_reading> {
        if (!engine)
          return missing("emotion.bin");
        return engine->read(text);
      },
      [engine](const context&, atom::analyse,
               const std::vector<std::string>& texts) -> caf::result<std::vector<emotion_reading>> {
        if (!engine)
          return missing("emotion.bin");
        std::vector<emotion_reading> result;
        result.reserve(texts.size());
        for (auto& x : texts)
          result.push_back(engine->read(x));
        return result;
      },
  };
}

embedding_actor::behavior_type embedding(actor_of<embedding_actor, embedding_state>*,
                                         std::shared_ptr<const sentence_embedder> engine) {
  return {
      [engine](const context&, atom::embed,
               const std::string& text) -> caf::result<std::vector<float>> {
        if (!engine)
          return missing("words.bin");
        return engine->embed(text);
      },
      [engine](const context&, atom::embed, const std::vector<std::string>& texts)
          -> caf::result<std::vector<std::vector<float>>> {
        if (!engine)
          return missing("words.bin");
        std::vector<std::vector<float>> result;
        result.reserve(texts.size());
        for (auto& x : texts)
          result.push_back(engine->embed(x));
        return result;
      },
  };
}

std::vector<std::string> topics_of(std::string_view text) {
  std::array<bool, topic_names.size()> found{};
  auto& known = topic_terms();
  for (auto term : terms_of(text))
    if (auto at = known.find(term); at != known.end())
      found[at->second] = true;
  std::vector<std::string> result;
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i])
      result.emplace_back(topic_names[i]);
  return result;
}

analyser_actor::behavior_type topics(actor_of<analyser_actor, topics_state>*) {
  return {[](const context&, atom::analyse, const std::string& text) { return topics_of(text); }};
}

} // namespace sotto
