#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

#include "runtime/random.hpp"
#include "runtime/scrubbing_vfs.hpp"

using namespace sotto;
using sqlite::scrub_page;

namespace {

/// A table leaf page with one cell of four bytes at the end and remains everywhere else.
std::vector<unsigned char> leaf(size_t head) {
  std::vector<unsigned char> page(512, 0xee);
  auto put = [&](size_t at, std::vector<unsigned char> bytes) {
    std::copy(bytes.begin(), bytes.end(), page.begin() + static_cast<std::ptrdiff_t>(at));
  };
  // Type, first free block at 480, one cell, content from 480.
  put(head, {13, 0x01, 0xe0, 0, 1, 0x01, 0xe0, 0, 0x01, 0xfc});
  put(480, {0, 0, 0, 20});
  return page;
}

} // namespace

TEST_CASE("scrubbing zeroes what no cell uses and nothing else") {
  for (auto head : {size_t{0}, size_t{100}}) {
    auto page = leaf(head), before = page;
    scrub_page(page.data(), page.size(), head != 0);
    for (size_t i = 0; i < page.size(); ++i) {
      bool unused = (i >= head + 10 && i < 480) || (i >= 484 && i < 500);
      CHECK(page[i] == (unused ? 0 : before[i]));
    }
  }
}

TEST_CASE("scrubbing leaves pages alone whose numbers do not fit together") {
  auto page = leaf(0);
  page[3] = 0xff; // more cells than fit
  auto before = page;
  scrub_page(page.data(), page.size(), false);
  CHECK(page == before);
  page = leaf(0);
  page[8] = 0; // a cell outside the content
  before = page;
  scrub_page(page.data(), page.size(), false);
  CHECK(page == before);
  page = std::vector<unsigned char>(512, 0xee); // no b-tree page
  before = page;
  scrub_page(page.data(), page.size(), false);
  CHECK(page == before);
}

TEST_CASE("scrubbing random pages stays within them") {
  splitmix random{5};
  for (int i = 0; i < 20'000; ++i) {
    std::vector<unsigned char> page(512);
    for (auto& x : page)
      x = static_cast<unsigned char>(random() % 4 == 0 ? random() : 0);
    constexpr unsigned char types[]{2, 5, 10, 13};
    page[0] = types[random() % 4];
    auto before = page;
    scrub_page(page.data(), page.size(), false);
    // The header and the chain of cells are never changed.
    CHECK(std::equal(page.begin(), page.begin() + 8, before.begin()));
  }
}
