// Emotion and sentence vectors on one core: senses_bench DATA_FOLDER, one JSON line a measurement.
// Texts are made from the words of everyday messages, 12 a text, punctuation and emoji among them.
// Rates are by the CPU time of the process, which has one thread: what else runs does not count.
#include <ctime>
#include <iostream>

#include "actors/emotion_engine.hpp"
#include "actors/senses.hpp"
#include "messages/error.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

constexpr const char* words[]{"I",
                              "the",
                              "to",
                              "you",
                              "was",
                              "so",
                              "really",
                              "not",
                              "happy",
                              "today",
                              "my",
                              "dog",
                              "work",
                              "meeting",
                              "but",
                              "love",
                              "never",
                              "anyone",
                              "train",
                              "late",
                              "LOL",
                              "great",
                              "hate",
                              "this!",
                              "a",
                              "and",
                              "weekend,",
                              "movie",
                              "can't",
                              "wait",
                              "sorry",
                              "sad",
                              "thing",
                              "because",
                              "home",
                              "with",
                              "friends.",
                              "awesome",
                              "just",
                              "enough",
                              "what?",
                              "tired",
                              "of",
                              "school",
                              "in",
                              "phone",
                              "yesterday",
                              "coffee",
                              "better",
                              ":)",
                              "\xf0\x9f\x98\x80",
                              "don\xe2\x80\x99t"};

std::vector<std::string> make_texts(size_t count, size_t length) {
  splitmix random{1};
  std::vector<std::string> texts(count);
  for (auto& text : texts)
    for (size_t i = 0; i < length; ++i)
      (text += i == 0 ? "" : " ") += words[random() % std::size(words)];
  return texts;
}

/// Runs `read` over all texts for a second, after a warm-up.
template <class F>
void measure(const char* name, const char* unit, const std::vector<std::string>& texts, F read) {
  double sum = 0;
  for (auto& x : texts)
    sum += read(x);
  size_t done = 0;
  auto start = std::clock();
  double seconds = 0;
  while (seconds < 1) {
    for (auto& x : texts)
      sum += read(x);
    done += texts.size();
    seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  if (sum == 0)
    std::cerr << name << " read nothing\n";
  std::cout << R"({"name":")" << name << R"(","words":12,"unit":")" << unit << R"(","value":)"
            << static_cast<uint64_t>(static_cast<double>(done) / seconds) << "}\n";
}

template <class T>
T need(caf::expected<T> loaded) {
  if (loaded)
    return std::move(*loaded);
  std::cerr << "senses_bench: " << to_failure(loaded.error()).message << '\n';
  std::exit(1);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "senses_bench: one argument, the folder of emotion.bin and words.bin\n";
    return 2;
  }
  std::string folder{argv[1]};
  auto emotions = need(emotion_engine::load(folder + "/emotion.bin"));
  auto vectors = need(sentence_embedder::load(folder + "/words.bin"));
  auto texts = make_texts(10'000, 12);
  measure("emotion_texts", "texts/s", texts,
          [&](auto& x) { return emotions->read_scores(x).compound; });
  measure("emotion_readings", "texts/s", texts, [&](auto& x) { return emotions->read(x).arousal; });
  std::vector<float> vector(vectors->dimensions());
  measure("embedding_sentences", "texts/s", texts, [&](auto& x) {
    vectors->embed(x, vector);
    return vector[0];
  });
  measure("topics", "texts/s", texts, [&](auto& x) { return double(topics_of(x).size()) + 1; });
}
