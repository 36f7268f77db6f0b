#include "actors/senses.hpp"

#include "actors/analysers.hpp"

#include <array>
#include <unordered_map>

#include "actors/text_terms.hpp"
#include "runtime/isolation.hpp"

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

/// A batch of long texts ends early (bytes).
constexpr double most_bytes = 256 << 10;

template <class Out>
operation<std::string, Out> text_operation(const char* name) {
  operation<std::string, Out> what;
  what.name = name;
  what.keys.equality = [](const std::string& text) { return text; };
  what.keys.cost = [](const std::string& text) { return static_cast<double>(text.size()); };
  what.most_cost = most_bytes;
  allow_isolation(what);
  return what;
}

/// Calls `read` for every text.
template <class Out, class F>
auto each(const F& read) {
  return [read](std::span<const std::string* const> texts) {
    std::vector<std::variant<Out, failure>> results;
    results.reserve(texts.size());
    for (auto* text : texts)
      results.emplace_back(read(*text));
    return results;
  };
}

/// Refuses every text for want of a file.
template <class Out>
auto missing(const char* file) {
  return [why = failure{ec::unavailable,
                        std::string{"there is no "} + file
                            + "; run scripts/data/fetch and start again",
                        {}}](std::span<const std::string* const> texts) {
    return std::vector<std::variant<Out, failure>>(texts.size(), why);
  };
}

} // namespace

emotion_operation emotion_work(const std::shared_ptr<const emotion_engine>& engine) {
  auto what = text_operation<emotion_reading>("emotion");
  if (engine)
    what.compute =
        each<emotion_reading>([engine](const std::string& text) { return engine->read(text); });
  else
    what.compute = missing<emotion_reading>("emotion.bin");
  return what;
}

embedding_operation embedding_work(const std::shared_ptr<const sentence_embedder>& engine) {
  using vector = std::vector<float>;
  auto what = text_operation<vector>("embedding");
  if (engine)
    what.compute = each<vector>([engine](const std::string& text) { return engine->embed(text); });
  else
    what.compute = missing<vector>("words.bin");
  return what;
}

analyser_operation analyser_of(const char* name,
                               std::vector<std::string> (*label)(const std::string&)) {
  auto what = text_operation<std::vector<std::string>>(name);
  what.compute = each<std::vector<std::string>>(label);
  return what;
}

analyser_operation topics_work() {
  return analyser_of("topics", [](const std::string& text) { return topics_of(text); });
}

batching<emotion_actor>::behavior_type emotion(emotion_state::actor* self, emotion_operation what,
                                               std::shared_ptr<const work_places> places) {
  auto& work = self->state.work;
  work.init(self, std::move(what), std::move(places));
  return {one_item<atom::analyse>(work),
          many_items<atom::analyse>(work),
          written_items<atom::write>(work),
          batch_done(work),
          window_over(work),
          gathered(work)};
}

batching<embedding_actor>::behavior_type embedding(embedding_state::actor* self,
                                                   embedding_operation what,
                                                   std::shared_ptr<const work_places> places) {
  auto& work = self->state.work;
  work.init(self, std::move(what), std::move(places));
  return {one_item<atom::embed>(work), many_items<atom::embed>(work), batch_done(work),
          window_over(work), gathered(work)};
}

batching<analyser_actor>::behavior_type analyser(analyser_state::actor* self,
                                                 analyser_operation what,
                                                 std::shared_ptr<const work_places> places) {
  auto& work = self->state.work;
  work.init(self, std::move(what), std::move(places));
  return {one_item<atom::analyse>(work), batch_done(work), window_over(work), gathered(work)};
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

} // namespace sotto
