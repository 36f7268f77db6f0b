#include <catch2/catch.hpp>

#include <set>

#include "actors/owner_index.hpp"
#include "actors/text_terms.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

memory line(int n, std::string text, std::string conversation = "c", std::string speaker = "ada") {
  memory x;
  x.id = "m" + std::to_string(n);
  x.text = std::move(text);
  x.seq = static_cast<uint64_t>(n);
  x.conversation = std::move(conversation);
  x.speaker = std::move(speaker);
  x.created = n;
  return x;
}

memory_query ask(std::string text, uint32_t k = 10) {
  memory_query q;
  q.text = std::move(text);
  q.k = k;
  return q;
}

std::string random_text(splitmix& random) {
  std::string text;
  for (auto n = random() % 12; n > 0; --n)
    text += "word" + std::to_string(random() % 40) + " ";
  return text;
}

std::string random_bytes(splitmix& random) {
  std::string text(random() % 64, ' ');
  for (auto& c : text)
    c = static_cast<char>(random());
  return text;
}

} // namespace

TEST_CASE("terms are stemmed words without stop words") {
  CHECK(terms_of("Running runs") == terms_of("run RUN"));
  CHECK(terms_of("the and of it").empty());
  CHECK(terms_of("Ada's cat") == terms_of("ada cat"));
  CHECK(terms_of("caf\xc3\xa9").size() == 1);
  for (auto* text : {"", "one", "  two words ", "Ada's cat, isn't it?", "'s", "s 's's x's",
                     "its' s", "a'S", "caf\xc3\xa9 ol\xc3\xa9"}) {
    size_t counted = 0;
    each_word(text, [&](std::string_view) { ++counted; });
    CHECK(count_words(text) == counted);
  }
}

TEST_CASE("words of any bytes are counted as they are split") {
  splitmix random{11};
  for (int i = 0; i < 2000; ++i) {
    // Few kinds of bytes, so that words and possessives begin and end at every place of a load.
    static constexpr std::string_view bytes = "sS''ab09zZ @[`{/:\x80\xff";
    std::string text(random() % 80, ' ');
    for (auto& c : text)
      c = i % 2 == 0 ? bytes[random() % bytes.size()] : static_cast<char>(random());
    size_t counted = 0;
    each_word(text, [&](std::string_view) { ++counted; });
    CHECK(count_words(text) == counted);
  }
}

TEST_CASE("a number is a term of its own") {
  auto terms = terms_of("1990 1990s 19 1990");
  REQUIRE(terms.size() == 4);
  CHECK(terms[0] == terms[3]);
  CHECK(terms[0] != terms[2]);
}

TEST_CASE("a memory is found by its words, whatever their form") {
  owner_index index;
  index.add(line(1, "My sister moved to Porto last spring", "a"), {});
  index.add(line(2, "I bought a red bicycle", "b"), {});
  index.add(line(3, "The weather is awful", "c"), {});
  auto found = index.search(ask("who is moving to porto?"));
  REQUIRE_FALSE(found.empty());
  CHECK(found[0].what.id == "m1");
  CHECK(found[0].why.find("words 1.00") != std::string::npos);
}

TEST_CASE("a memory is found by its meaning without a shared word") {
  owner_index index;
  index.add(line(1, "alpha", "a"), {1, 0, 0});
  index.add(line(2, "beta", "b"), {0, 1, 0});
  auto q = ask("gamma");
  q.vector = {0, 0.9F, 0.1F};
  auto found = index.search(q);
  REQUIRE_FALSE(found.empty());
  CHECK(found[0].what.id == "m2");
}

TEST_CASE("a question asked before does not hide its answer") {
  owner_index index;
  index.add(line(1, "what is the name of my cat?", "a"), {});
  index.add(line(2, "my cat is called Tux", "b"), {});
  CHECK(index.search(ask("what is the name of my cat?"))[0].what.id == "m2");
}

TEST_CASE("lines of a speaker whom the question names go first") {
  owner_index index;
  index.add(line(1, "I like tea", "a", "bob"), {});
  index.add(line(2, "I like tea", "b", "carol"), {});
  CHECK(index.search(ask("what tea does Bob like?"))[0].what.id == "m1");
  CHECK(index.search(ask("what tea does Carol like?"))[0].what.id == "m2");
}

TEST_CASE("time and metadata filter exactly") {
  owner_index index;
  for (int i = 1; i <= 20; ++i) {
    auto x = line(i, "tea number " + std::to_string(i), std::to_string(i));
    x.metadata = i % 2 ? R"({"kind":"odd","n":1})" : R"({"kind":"even"})";
    index.add(x, {});
  }
  auto q = ask("tea", 100);
  q.at = 10;
  CHECK(index.search(q).size() == 10);
  q.where = R"({"kind":"odd"})";
  auto found = index.search(q);
  CHECK(found.size() == 5);
  for (auto& x : found)
    CHECK(x.what.created % 2 == 1);
  q.where = R"({"kind":"odd","n":2})";
  CHECK(index.search(q).empty());
}

TEST_CASE("recent lines and pages come in order of arrival") {
  owner_index index;
  for (int i = 1; i <= 30; ++i)
    index.add(line(i, "line", i % 3 == 0 ? "x" : "y"), {});
  auto recent = index.recent("x", 4);
  REQUIRE(recent.size() == 4);
  CHECK(recent.front().id == "m21");
  CHECK(recent.back().id == "m30");
  CHECK(index.recent("unknown", 4).empty());
  std::string after;
  std::vector<std::string> ids;
  do {
    auto page = index.page(after, 7);
    for (auto& x : page.memories)
      ids.push_back(x.id);
    after = page.next;
  } while (!after.empty());
  CHECK(ids.size() == 30);
  CHECK(ids.back() == "m30");
}

TEST_CASE("search equals a search of an index built anew, whatever was removed") {
  splitmix random{9};
  for (int round = 0; round < 20; ++round) {
    owner_index index;
    std::vector<std::pair<memory, std::vector<float>>> kept;
    for (int i = 1; i <= 200; ++i) {
      auto x = line(i, random_text(random), std::to_string(random() % 5));
      std::vector<float> v(8);
      for (auto& f : v)
        f = static_cast<float>(random() % 1000) / 1000;
      kept.emplace_back(x, v);
      index.add(x, v);
    }
    for (int i = 0; i < 120; ++i) {
      auto at = kept.begin() + static_cast<std::ptrdiff_t>(random() % kept.size());
      REQUIRE(index.remove(at->first.id));
      CHECK_FALSE(index.remove(at->first.id));
      kept.erase(at);
    }
    CHECK(index.size() == kept.size());
    CHECK(index.next_seq() == 201);
    // All removed rows are gone from answers, and every kept one is found by its own words.
    std::set<std::string> alive;
    for (auto& [x, v] : kept)
      alive.insert(x.id);
    for (int i = 0; i < 10; ++i)
      for (auto& x : index.search(ask(random_text(random), 300)))
        CHECK(alive.contains(x.what.id));
  }
}

TEST_CASE("any bytes can be remembered and asked") {
  splitmix random{4};
  owner_index index;
  for (int i = 1; i <= 500; ++i) {
    index.add(line(i, random_bytes(random), random_bytes(random), random_bytes(random)), {});
    auto q = ask(random_bytes(random));
    q.where = random() % 4 == 0 ? random_bytes(random) : "";
    index.search(q);
  }
  CHECK(index.size() == 500);
}

TEST_CASE("memories get their embedding later") {
  owner_index index;
  for (uint64_t i = 1; i <= 4; ++i) {
    memory x;
    x.id = std::to_string(i);
    x.text = i == 3 ? "" : "words " + x.id;
    x.seq = i;
    index.add(x, i == 2 ? std::vector<float>{1, 0} : std::vector<float>{});
  }
  auto missing = index.without_vector(10, {});
  REQUIRE(missing.size() == 2); // not the one with, and not the empty one
  CHECK(missing[0]->seq == 1);
  CHECK(index.without_vector(10, {1}).at(0)->seq == 4);
  CHECK(index.without_vector(1, {}).size() == 1);
  CHECK_FALSE(index.set_vector(1, {1, 2, 3}));
  CHECK_FALSE(index.set_vector(7, {0, 1}));
  CHECK(index.set_vector(4, {0, 1}));
  memory_query query;
  query.vector = {0, 1};
  query.text = "nothing of it";
  REQUIRE_FALSE(index.search(query).empty());
  CHECK(index.search(query)[0].what.id == "4");
  CHECK(index.remove("1"));
  CHECK(index.without_vector(10, {}).empty());
  CHECK(index.set_vector(2, {0.6F, 0.8F}));
}
