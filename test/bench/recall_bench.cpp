// Time to recall the best five memories of owners with 100, 1,000 and 10,000 of them, by words and
// meaning, the question's vector included; then of a hundred owners with 800 by turns, of whom no
// cache holds much, and to add one: recall_bench DATA_FOLDER, one JSON line each.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>

#include "actors/owner_index.hpp"
#include "actors/sentence_embedder.hpp"
#include "messages/error.hpp"
#include "test/bench/talk.hpp"

using namespace sotto;

namespace {

using steady = std::chrono::steady_clock;

double micros_since(steady::time_point start) {
  return std::chrono::duration<double, std::micro>(steady::now() - start).count();
}

/// Adds one; how long that took, without its embedding.
double add(owner_index& owner, const std::string& text, const sentence_embedder& embedder) {
  memory x;
  x.seq = owner.next_seq();
  x.id = fmt::format("m{:028x}", x.seq);
  x.text = text;
  x.speaker = x.seq % 2 == 0 ? "user" : "companion";
  auto vector = embedder.embed(x.text);
  auto start = steady::now();
  owner.add(std::move(x), vector);
  return micros_since(start);
}

owner_index make_owner(size_t memories, const sentence_embedder& embedder) {
  owner_index owner;
  bench::talk talk{1};
  for (size_t i = 0; i < memories; ++i)
    add(owner, talk.next(), embedder);
  return owner;
}

void measure(const owner_index& owner, const sentence_embedder& embedder) {
  constexpr size_t rounds = 2000;
  bench::talk talk{2};
  std::vector<double> took;
  size_t found = 0;
  for (size_t i = 0; i < rounds; ++i) {
    memory_query query;
    query.text = talk.next();
    query.k = 5;
    auto start = steady::now();
    query.vector = embedder.embed(query.text);
    found += owner.search(query).size();
    took.push_back(micros_since(start));
  }
  std::sort(took.begin(), took.end());
  std::cout << fmt::format(
      R"({{"name":"recall","memories":{},"unit":"us","value":{:.1f},"p50":{:.1f},"p99":{:.1f},)"
      R"("found":{:.1f}}})"
      "\n",
      owner.size(), std::accumulate(took.begin(), took.end(), 0.0) / rounds, took[rounds / 2],
      took[rounds * 99 / 100], static_cast<double>(found) / rounds);
}

void measure_by_turns(const sentence_embedder& embedder) {
  constexpr size_t owners = 100, memories = 800, rounds = 50;
  std::vector<owner_index> all(owners);
  bench::talk talk{3};
  for (size_t i = 0; i < memories; ++i)
    for (auto& x : all)
      add(x, talk.next(), embedder);
  std::vector<double> searched, added;
  for (size_t i = 0; i < rounds; ++i)
    for (auto& x : all) {
      memory_query query;
      query.text = talk.next();
      query.vector = embedder.embed(query.text);
      query.k = 5;
      auto start = steady::now();
      auto found = x.search(query);
      searched.push_back(micros_since(start));
      added.push_back(add(x, query.text, embedder));
    }
  for (auto& [name, took] : {std::pair{"search", &searched}, std::pair{"add", &added}}) {
    std::sort(took->begin(), took->end());
    std::cout << fmt::format(R"({{"name":"recall by turns: {}","owners":{},"memories":{},)"
                             R"("unit":"us","p50":{:.1f},"p99":{:.1f}}})"
                             "\n",
                             name, owners, memories, (*took)[took->size() / 2],
                             (*took)[took->size() * 99 / 100]);
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "recall_bench: one argument, the folder of words.bin\n";
    return 2;
  }
  auto embedder = sentence_embedder::load(std::string{argv[1]} + "/words.bin");
  if (!embedder) {
    std::cerr << "recall_bench: " << to_failure(embedder.error()).message << '\n';
    return 1;
  }
  for (size_t memories : {100, 1'000, 10'000})
    measure(make_owner(memories, **embedder), **embedder);
  measure_by_turns(**embedder);
}
