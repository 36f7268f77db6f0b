#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
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

TEST_CASE("a text has the terms of its words, of any bytes and length") {
  splitmix random{13};
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % (round % 100 == 0 ? 3000 : 90), ' ');
    for (auto& c : text)
      c = random() % 4 == 0 ? static_cast<char>(random()) : "'sS aZz09."[random() % 10];
    std::vector<uint64_t> expected;
    each_word(text, [&](std::string_view word) { add_terms(word, expected); });
    REQUIRE(terms_of(text) == expected);
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

namespace {

using scored = std::pair<std::string, float>;

/// As `owner_index` describes its scores, row by row; `rows` in order of arrival.
std::vector<scored> by_definition(const std::vector<memory>& rows,
                                  const std::vector<std::vector<float>>& vectors,
                                  const std::set<std::string>& removed, const memory_query& query) {
  auto n = rows.size();
  lexical_index words;
  vector_rows meanings;
  meanings.set_dimension(query.vector.size());
  for (size_t i = 0; i < n; ++i) {
    words.add(terms_of(rows[i].text));
    meanings.add();
    meanings.set(i, vectors[i]);
  }
  std::vector<float> said(n), meant(n), own(n);
  auto most = words.score(terms_of(query.text), said);
  CHECK(most == *std::max_element(said.begin(), said.end()));
  meanings.multiply(query.vector, meant);
  for (size_t i = 0; i < n; ++i)
    if (!removed.contains(rows[i].id))
      own[i] = (most > 0 ? said[i] / most : 0) + 0.7F * std::max(meant[i], 0.0F);
  std::vector<scored> result;
  for (size_t i = 0; i < n; ++i) {
    // The lines of the same conversation, and where this one stands among them.
    std::vector<size_t> lines;
    for (size_t j = 0; j < n; ++j)
      if (rows[j].conversation == rows[i].conversation)
        lines.push_back(j);
    auto place = std::find(lines.begin(), lines.end(), i) - lines.begin();
    auto total = own[i];
    for (auto away : {-2, -1, 1, 2})
      if (auto at = place + away; at >= 0 && at < std::ssize(lines))
        total += (std::abs(away) == 1 ? 0.35F : 0.15F) * own[lines[static_cast<size_t>(at)]];
    if (rows[i].text == query.text)
      total *= 0.1F;
    if (!removed.contains(rows[i].id) && total >= 0.05F)
      result.emplace_back(rows[i].id, total);
  }
  return result;
}

} // namespace

TEST_CASE("every memory has the score that its definition says, in one conversation and in many") {
  splitmix random{21};
  for (int round = 0; round < 40; ++round) {
    owner_index index;
    std::vector<memory> rows;
    std::vector<std::vector<float>> vectors;
    auto random_meaning = [&] {
      std::vector<float> v(6);
      for (auto& x : v)
        x = static_cast<float>(random() % 2001) / 1000 - 1;
      return v;
    };
    auto conversations = round % 2 == 0 ? 1 : 4;
    for (int i = 1; i <= 1 + round * 3; ++i) {
      auto text = random() % 20 == 0 && !rows.empty() ? rows[random() % rows.size()].text
                                                      : random_text(random);
      rows.push_back(line(i, text, std::to_string(random() % conversations)));
      vectors.push_back(random_meaning());
      index.add(rows.back(), vectors.back());
    }
    std::set<std::string> removed; // fewer than makes the index build itself anew
    for (size_t i = 0; round % 3 == 0 && i < rows.size() / 5; ++i) {
      removed.insert(rows[i * 3].id);
      REQUIRE(index.remove(rows[i * 3].id));
    }
    for (int i = 0; i < 10; ++i) {
      auto query = ask(i % 4 == 0 ? rows[random() % rows.size()].text : random_text(random), 1000);
      query.vector = random_meaning();
      std::map<std::string, float> expected;
      for (auto& [id, score] : by_definition(rows, vectors, removed, query))
        expected.emplace(id, score);
      auto found = index.search(query);
      CHECK(std::is_sorted(found.begin(), found.end(), [](auto& x, auto& y) {
        return x.score != y.score ? x.score > y.score : x.what.seq > y.what.seq;
      }));
      for (auto& x : found) {
        REQUIRE(expected.contains(x.what.id));
        CHECK(x.score == Approx(expected.at(x.what.id)).epsilon(1e-4));
        expected.erase(x.what.id);
      }
      for (auto& [id, score] : expected) // only what is at the least score may be missing
        CHECK(score == Approx(0.05F).epsilon(1e-3));
      // Asked for a few, they are the first of those.
      query.k = static_cast<uint32_t>(1 + random() % 5);
      auto few = index.search(query);
      REQUIRE(few.size() == std::min<size_t>(query.k, found.size()));
      for (size_t j = 0; j < few.size(); ++j)
        CHECK(few[j].what.id == found[j].what.id);
    }
  }
}

TEST_CASE("rows of one hash are told apart, and those removed are gone") {
  row_table table;
  CHECK(table.find(1, [](auto) { return true; }) == row_table::none);
  table.remove(1, 0);
  for (uint32_t row = 0; row < 500; ++row)
    table.add(row % 7, row);
  for (uint32_t row = 0; row < 500; row += 3)
    table.remove(row % 7, row);
  for (uint32_t row = 0; row < 600; ++row)
    CHECK(table.find(row % 7, [&](auto x) { return x == row; })
          == (row < 500 && row % 3 != 0 ? row : row_table::none));
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
