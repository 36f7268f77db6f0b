// Time to recall the best five memories of owners with 100, 1,000 and 10,000 of them, by words and
// meaning, the question's vector included: recall_bench DATA_FOLDER, one JSON line an owner's size.
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

owner_index make_owner(size_t memories, const sentence_embedder& embedder) {
  owner_index owner;
  bench::talk talk{1};
  for (size_t i = 0; i < memories; ++i) {
    memory x;
    x.seq = i + 1;
    x.id = fmt::format("m{}", i);
    x.text = talk.next();
    x.speaker = i % 2 == 0 ? "user" : "companion";
    auto vector = embedder.embed(x.text);
    owner.add(std::move(x), vector);
  }
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
    took.push_back(std::chrono::duration<double, std::micro>(steady::now() - start).count());
  }
  std::sort(took.begin(), took.end());
  std::cout << fmt::format(
      R"({{"name":"recall","memories":{},"unit":"us","value":{:.1f},"p50":{:.1f},"p99":{:.1f},)"
      R"("found":{:.1f}}})"
      "\n",
      owner.size(), std::accumulate(took.begin(), took.end(), 0.0) / rounds, took[rounds / 2],
      took[rounds * 99 / 100], static_cast<double>(found) / rounds);
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
}
