#include <catch2/catch.hpp>

#include <sstream>

#include <nlohmann/json.hpp>

#include "runtime/logging.hpp"

using namespace sotto;
using Catch::Contains;

TEST_CASE("a message with line breaks stays one line of text") {
  std::ostringstream out;
  make_logger(out, {"info", "text"})->warn("user {} said\n2026-01-01 info forged\x1b[31m", "a");
  auto line = out.str();
  CHECK_THAT(line, Contains("warning user a said\\x0a2026-01-01 info forged\\x1b[31m"));
  CHECK(std::count(line.begin(), line.end(), '\n') == 1);
}

TEST_CASE("a JSON line is JSON whatever the message holds") {
  std::ostringstream out;
  make_logger(out, {"info", "json"})->error("quote \" break \n bad utf8 \xff");
  auto line = nlohmann::json::parse(out.str());
  CHECK(line["level"] == "error");
  CHECK(line["message"] == "quote \" break \n bad utf8 \xef\xbf\xbd");
  CHECK(line["time"].get<std::string>().ends_with("Z"));
}

TEST_CASE("what is below the level is not logged") {
  std::ostringstream out;
  for (auto level : {"warn", "error", "off"}) {
    auto logger = make_logger(out, {level, "text"});
    logger->info("x");
  }
  CHECK(out.str().empty());
  make_logger(out, {"debug", "text"})->debug("shown");
  make_logger(out, {"warn", "text"})->warn("this too");
  make_logger(out, {"error", "text"})->error("and this");
  CHECK_THAT(out.str(), Contains("shown") && Contains("this too") && Contains("and this"));
}

TEST_CASE("a repeated warning passes once an interval and counts what it held back") {
  log_gate gate{100};
  CHECK(gate.pass("a", 0) == 0U);
  CHECK_FALSE(gate.pass("a", 1));
  CHECK_FALSE(gate.pass("a", 99));
  CHECK(gate.pass("b", 99) == 0U);
  CHECK(gate.pass("a", 100) == 2U);
  CHECK_FALSE(gate.pass("a", 199));
  CHECK(gate.pass("a", 300) == 1U);
}

TEST_CASE("a gate holds a bounded number of keys") {
  log_gate gate{100, 2};
  CHECK(gate.pass("a", 0));
  CHECK(gate.pass("b", 0));
  CHECK(gate.pass("c", 0));
  CHECK_FALSE(gate.pass("c", 1));
  CHECK(gate.pass("a", 1));
}
