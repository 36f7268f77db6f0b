#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "actors/emotion_engine.hpp"
#include "actors/sentence_embedder.hpp"
#include "messages/error.hpp"
#include "runtime/random.hpp"

using namespace sotto;

namespace {

/// A file in memory, without a place on the disk.
class scratch_file {
public:
  scratch_file() : file_(::memfd_create("sense", 0)) { REQUIRE(file_ >= 0); }
  ~scratch_file() { ::close(file_); }

  std::string holding(const std::string& bytes) {
    REQUIRE(::ftruncate(file_, 0) == 0);
    REQUIRE(::pwrite(file_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return "/proc/self/fd/" + std::to_string(file_);
  }

private:
  int file_;
};

template <class T>
void put(std::string& to, T x) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &x, sizeof(T));
  to.append(bytes, sizeof(T));
}

/// Three words of four dimensions: "cat" and "kitten" alike, "tax" across.
std::string small_words() {
  std::string file = "SOTTOWV1";
  put<uint32_t>(file, 3);
  put<uint32_t>(file, 4);
  for (auto x : {0.0F, 0.0F, 0.0F, 1.0F})
    put(file, x);
  for (int i = 0; i < 3; ++i)
    put(file, 1.0F / 127);
  for (int8_t x : {127, 0, 0, 90, 120, 30, 0, 90, 0, 0, 127, 90})
    put(file, x);
  for (uint32_t x : {0, 3, 9, 12})
    put(file, x);
  return file + "catkittentax";
}

const std::string small_emotion = "SOTTOEM1\nw\tgood\t1.9\nw\tbad\t-2.5\ne\t128512\tgood face\n";

void damage(std::string& file, splitmix& random) {
  if (random() % 3 == 0)
    file.resize(random() % (file.size() + 1));
  for (auto n = random() % 4; n > 0 && !file.empty(); --n)
    file[random() % file.size()] = static_cast<char>(random() % 256);
}

} // namespace

TEST_CASE("word vectors of a file are read, the common component is taken out") {
  scratch_file file;
  auto loaded = sentence_embedder::load(file.holding(small_words()));
  REQUIRE(loaded);
  auto cat = (*loaded)->embed("Cat"), tax = (*loaded)->embed("tax, TAX");
  REQUIRE(cat.size() == 4);
  CHECK(cat[0] == Approx(1).margin(1e-5));
  CHECK(cat[3] == Approx(0).margin(1e-5));
  CHECK(tax[2] == Approx(1).margin(1e-5));
  CHECK((*loaded)->embed("dog") == std::vector<float>(4, 0.0F));
}

TEST_CASE("a damaged file of word vectors is refused or gives finite vectors") {
  splitmix random{5};
  scratch_file scratch;
  size_t refused = 0;
  for (int i = 0; i < 3000; ++i) {
    auto bytes = small_words();
    damage(bytes, random);
    auto loaded = sentence_embedder::load(scratch.holding(bytes));
    if (!loaded) {
      CHECK(to_failure(loaded.error()).message.find("scripts/data/fetch") != std::string::npos);
      ++refused;
      continue;
    }
    auto vector = (*loaded)->embed("cat kitten tax");
    CHECK(std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); }));
  }
  CHECK(refused > 1000);
}

TEST_CASE("a small list of emotion words is read") {
  scratch_file file;
  auto loaded = emotion_engine::load(file.holding(small_emotion));
  REQUIRE(loaded);
  CHECK((*loaded)->read("good").compound > 0);
  CHECK((*loaded)->read("bad").compound < 0);
  CHECK((*loaded)->read("\xf0\x9f\x98\x80").compound > 0);
}

TEST_CASE("a damaged list of emotion words is refused or gives readings within their bounds") {
  splitmix random{6};
  scratch_file scratch;
  for (int i = 0; i < 3000; ++i) {
    auto bytes = small_emotion;
    damage(bytes, random);
    auto loaded = emotion_engine::load(scratch.holding(bytes));
    if (!loaded)
      continue;
    auto x = (*loaded)->read("good bad \xf0\x9f\x98\x80");
    CHECK((x.compound >= -1 && x.compound <= 1));
  }
  for (auto* bad : {"", "SOTTOEM1\n", "SOTTOEM1\nw\tgood\tnan\n", "SOTTOEM1\nw\tgood\t1e300\n",
                    "SOTTOEM1\nx\n", "SOTTOWV1"})
    CHECK_FALSE(emotion_engine::load(scratch.holding(bad)));
}

TEST_CASE("what is no file to map is refused by name") {
  for (auto* path : {"/nowhere/words.bin", "/tmp"}) {
    auto loaded = mapped_file::open(path);
    REQUIRE_FALSE(loaded);
    CHECK(to_failure(loaded.error()).message.find(path) != std::string::npos);
  }
}
