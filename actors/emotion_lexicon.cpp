#include "actors/emotion_lexicon.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#define XXH_INLINE_ALL // words are short: the call would cost more than the hash
#include <xxhash.h>

#include "messages/error.hpp"
#include "runtime/mapped_file.hpp"

namespace sotto {

namespace {

constexpr double increment = 0.293;

// The word lists of the reference (Hutto and Gilbert, 2014; vaderSentiment 3.3.2).
constexpr const char* negators[]{
    "aint",   "arent",    "cannot",  "cant",     "couldnt",  "darent",   "didnt",   "doesnt",
    "ain't",  "aren't",   "can't",   "couldn't", "daren't",  "didn't",   "doesn't", "dont",
    "hadnt",  "hasnt",    "havent",  "isnt",     "mightnt",  "mustnt",   "neither", "don't",
    "hadn't", "hasn't",   "haven't", "isn't",    "mightn't", "mustn't",  "neednt",  "needn't",
    "never",  "none",     "nope",    "nor",      "not",      "nothing",  "nowhere", "oughtnt",
    "shant",  "shouldnt", "uhuh",    "wasnt",    "werent",   "oughtn't", "shan't",  "shouldn't",
    "uh-uh",  "wasn't",   "weren't", "without",  "wont",     "wouldnt",  "won't",   "wouldn't",
    "rarely", "seldom",   "despite"};

constexpr const char* boosters[]{
    "absolutely",    "amazingly",    "awfully",       "completely", "considerable", "considerably",
    "decidedly",     "deeply",       "effing",        "enormous",   "enormously",   "entirely",
    "especially",    "exceptional",  "exceptionally", "extreme",    "extremely",    "fabulously",
    "flipping",      "flippin",      "frackin",       "fracking",   "fricking",     "frickin",
    "frigging",      "friggin",      "fully",         "fuckin",     "fucking",      "fuggin",
    "fugging",       "greatly",      "hella",         "highly",     "hugely",       "incredible",
    "incredibly",    "intensely",    "major",         "majorly",    "more",         "most",
    "particularly",  "purely",       "quite",         "really",     "remarkably",   "so",
    "substantially", "thoroughly",   "total",         "totally",    "tremendous",   "tremendously",
    "uber",          "unbelievably", "unusually",     "utter",      "utterly",      "very"};

constexpr const char* dampeners[]{
    "almost",   "barely",   "hardly",     "kinda",      "kindof",       "kind-of", "less",
    "little",   "marginal", "marginally", "occasional", "occasionally", "partly",  "scarce",
    "scarcely", "slight",   "slightly",   "somewhat",   "sorta",        "sortof",  "sort-of"};

struct named {
  const char* word;
  rule_word id;
};
constexpr named rule_words[]{
    {"at", rule_word::at},           {"ass", rule_word::ass},     {"bad", rule_word::bad},
    {"beating", rule_word::beating}, {"bomb", rule_word::bomb},   {"broken", rule_word::broken},
    {"bus", rule_word::bus},         {"but", rule_word::but},     {"death", rule_word::death},
    {"die", rule_word::die},         {"doubt", rule_word::doubt}, {"enough", rule_word::enough},
    {"for", rule_word::for_},        {"heart", rule_word::heart}, {"just", rule_word::just},
    {"kind", rule_word::kind},       {"kiss", rule_word::kiss},   {"least", rule_word::least},
    {"never", rule_word::never},     {"no", rule_word::no},       {"nor", rule_word::nor},
    {"of", rule_word::of},           {"or", rule_word::or_},      {"right", rule_word::right},
    {"shit", rule_word::shit},       {"so", rule_word::so},       {"sort", rule_word::sort},
    {"stop", rule_word::stop},       {"the", rule_word::the},     {"this", rule_word::this_},
    {"to", rule_word::to},           {"very", rule_word::very},   {"without", rule_word::without},
    {"yeah", rule_word::yeah}};

constexpr std::array<std::string_view, feelings> feeling_names{
    "neutral", "joy",       "sadness", "anger", "fear",       "surprise", "disgust",
    "love",    "gratitude", "pride",   "shame", "excitement", "calm"};

constexpr size_t short_word = 16;

/// Of a file; with ours they are still told by the bits that a slot has for them.
constexpr size_t most_words = 30'000;

/// Keep the first so many bytes of eight.
constexpr auto first_bytes = [] {
  static_assert(std::endian::native == std::endian::little);
  std::array<uint64_t, 9> masks{};
  for (size_t i = 1; i < masks.size(); ++i)
    masks[i] = masks[i - 1] << 8 | 0xff;
  return masks;
}();

/// The next field of a line, up to a tab or the end.
std::string_view take(std::string_view& line) {
  auto field = line.substr(0, line.find('\t'));
  line.remove_prefix(std::min(field.size() + 1, line.size()));
  return field;
}

bool read_valence(std::string_view from, double& to) {
  auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), to);
  constexpr double most = 4; // of VADER's scale
  return error == std::errc{} && end == from.data() + from.size() && to >= -most && to <= most;
}

} // namespace

std::string_view to_string(feeling x) {
  return feeling_names[static_cast<size_t>(x)];
}

lexicon_entry& emotion_lexicon::entry(std::string_view word) {
  auto [at, isnew] = names_.try_emplace(std::string{word}, static_cast<uint32_t>(entries_.size()));
  if (isnew)
    entries_.emplace_back();
  return entries_[at->second];
}

void emotion_lexicon::add_rules() {
  for (auto* word : negators)
    entry(word).flags |= lexicon_entry::negator;
  auto boost = [this](const char* word, double by) {
    auto& x = entry(word);
    x.flags |= lexicon_entry::booster;
    x.increment = by;
  };
  for (auto* word : boosters)
    boost(word, increment);
  for (auto* word : dampeners)
    boost(word, -increment);
  for (auto& x : rule_words) {
    auto& to = entry(x.word);
    to.word = x.id;
    to.flags |= lexicon_entry::ruled;
  }
}

void emotion_lexicon::add_feelings() {
  for (auto& x : feeling_words()) {
    auto& to = entry(x.word);
    (to.felt == feeling::none ? to.felt : to.felt_too) = x.felt;
    to.strength = std::max(to.strength, x.strength);
    to.flags |= lexicon_entry::feels;
  }
}

/// Short words, which nearly all are, take one way through the hash whatever their size: branches
/// that depend on it are guessed wrong at every other word.
uint64_t emotion_lexicon::hash_of(padded_word word) {
  if (word.size > short_word)
    return XXH3_64bits(word.data, word.size);
  std::array<uint64_t, 2> bytes;
  std::memcpy(bytes.data(), word.data, sizeof(bytes));
  auto first = std::min(word.size, sizeof(uint64_t));
  bytes[0] &= first_bytes[first];
  bytes[1] &= first_bytes[word.size - first];
  return XXH3_64bits_withSeed(bytes.data(), sizeof(bytes), word.size);
}

void emotion_lexicon::index() {
  slots_.resize(std::bit_ceil(entries_.size() * 4));
  for (auto& [word, entry] : names_) {
    auto padded = word;
    padded.resize(std::max(word.size(), short_word));
    auto hash = hash_of({padded.data(), word.size()});
    auto place = hash & (slots_.size() - 1);
    for (; (slots_[place] & number) != 0; place = (place + 1) & (slots_.size() - 1))
      slots_[place] |= passed;
    slots_[place] = (hash & ~(passed | number)) | entry;
  }
  names_ = {};
}

size_t emotion_lexicon::find_behind(size_t place, uint64_t hash) const {
  size_t found = 0;
  do {
    place = (place + 1) & (slots_.size() - 1);
    found = known(slots_[place], hash);
  } while (found == 0 && (slots_[place] & passed) != 0);
  return found;
}

std::string_view emotion_lexicon::emoji(char32_t c) const {
  auto at = emoji_.find(c);
  return at == emoji_.end() ? std::string_view{} : std::string_view{at->second};
}

caf::expected<std::shared_ptr<const emotion_lexicon>>
emotion_lexicon::load(const std::string& path) {
  auto file = mapped_file::open(path);
  if (!file)
    return file.error();
  auto text = (*file)->bytes();
  auto made = std::make_shared<emotion_lexicon>();
  constexpr std::string_view magic = "SOTTOEM1\n";
  auto good = text.starts_with(magic);
  text.remove_prefix(good ? magic.size() : 0);
  while (good && !text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    auto kind = take(line), key = take(line), value = take(line);
    uint32_t code = 0;
    if (double valence; kind == "w" && !key.empty() && read_valence(value, valence)) {
      auto& x = made->entry(key);
      x.valence = valence;
      x.flags |= lexicon_entry::rated;
    } else if (kind == "e"
               && std::from_chars(key.data(), key.data() + key.size(), code).ec == std::errc{}) {
      made->emoji_[code] = value;
    } else {
      good = false;
    }
  }
  if (!good || made->entries_.size() == 1 || made->entries_.size() > most_words)
    return to_error(
        {ec::invalid, path + " is no list of emotion words; run scripts/data/fetch", {}});
  made->add_rules();
  made->add_feelings();
  made->index();
  return std::shared_ptr<const emotion_lexicon>{std::move(made)};
}

} // namespace sotto
