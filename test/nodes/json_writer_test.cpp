#include "nodes/json_writer.hpp"

#include <catch2/catch.hpp>

#include "runtime/random.hpp"

using namespace sotto;
using json = nlohmann::json;

namespace {

std::string text_of(double x) {
  json_text to;
  to.value(x);
  return to.take();
}

} // namespace

TEST_CASE("numbers are written in their shortest form and read back the same") {
  for (auto x : {0.0, -0.0, 1.0, -1.0, 0.5, 0.0001, -0.7351, 0.1, 123456.789, 1e-7, 1e300, 0.00005,
                 999'999.9999, 1e9 + 0.5, 4.9406564584124654e-324})
    CHECK(json::parse(text_of(x)).get<double>() == x);
  splitmix random{7};
  for (int i = 0; i < 20'000; ++i) {
    auto x = static_cast<double>(static_cast<int64_t>(random() % 2'000'001) - 1'000'000) / 10'000;
    REQUIRE(text_of(x) == json(x).dump());
    REQUIRE(json::parse(text_of(x)).get<double>() == x);
  }
  CHECK(text_of(std::nan("")) == "null");
  CHECK(text_of(INFINITY) == "null");
}

TEST_CASE("floats are written with four decimals") {
  auto text = [](float x) {
    json_text to;
    to.value(x);
    return to.take();
  };
  CHECK(text(0.1F) == "0.1");
  CHECK(text(-0.73514F) == "-0.7351");
  CHECK(text(0.99996F) == "1.0");
  CHECK(text(-0.00001F) == "0.0");
  CHECK(text(12.5F) == "12.5");
  CHECK(text(INFINITY) == "null");
  CHECK(json::parse(text(-3e12F)).get<float>() == -3e12F);
  splitmix random{8};
  for (int i = 0; i < 20'000; ++i) {
    auto x = static_cast<float>(random() % 2'000'001) / 1e6F - 1;
    json_tree tree;
    tree.value(x);
    REQUIRE(json::parse(text(x)) == tree.take());
  }
}

TEST_CASE("text is escaped, and bytes that are no UTF-8 are replaced") {
  for (std::string x : {"plain", "quote \" and \\ and \n", "\x01", "caf\xc3\xa9", "bad \xff byte",
                        "cut \xe2\x82", "\xf0\x9f\x98\x80", "\x7f", "caf\xc3\xa9 \"",
                        std::string(3000, '"').c_str(), std::string(3000, 'x').c_str()}) {
    json_text to;
    to.value(x);
    auto back = json::parse(to.take());
    if (utf8::is_valid(x.begin(), x.end()))
      CHECK(back.get<std::string>() == x);
    else
      CHECK(back.get<std::string>().find("\xef\xbf\xbd") != std::string::npos);
  }
}

TEST_CASE("text of any bytes is written as another library would") {
  splitmix random{9};
  for (int round = 0; round < 20'000; ++round) {
    std::string x(random() % 80, ' ');
    for (auto& c : x)
      c = random() % 40 == 0 ? static_cast<char>(random()) : static_cast<char>('a' + random() % 26);
    for (auto n = random() % 3; n > 0; --n) {
      constexpr std::array<const char*, 6> odd{"\xe2\x80\x9c", "\xc3\xa9", "\xf0\x9f\x98\x80",
                                               "\xe2\x80",     "\xc0\x80", "\xed\xa0\x80"};
      x.insert(random() % (x.size() + 1), odd[random() % odd.size()]);
    }
    json_text to;
    to.value(x);
    auto text = to.take();
    if (utf8::is_valid(x.begin(), x.end()))
      REQUIRE(json::parse(text).get<std::string>() == x);
    else
      REQUIRE(json::parse(text).get<std::string>() == utf8::replace_invalid(x));
  }
}

TEST_CASE("text and tree say the same") {
  auto describe = [](auto to) {
    to.begin_object();
    fields(to, "name", "x", "count", 3, "share", 0.25, "none", nullptr);
    to.key("list");
    to.begin_array();
    to.value(true);
    to.begin_object();
    to.end_object();
    to.raw("{\"a\":1}");
    to.end_array();
    to.end_object();
    return to.take();
  };
  CHECK(json::parse(describe(json_text{})) == describe(json_tree{}));
}
