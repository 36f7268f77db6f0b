#include "actors/shared_prompts.hpp"

#include <catch2/catch.hpp>

#include "runtime/random.hpp"

using namespace sotto;

namespace {

using prompts = shared_prompts<int>;

prompt_asker<int> asker(int client, uint64_t ticket = 1, priority level = priority::normal,
                        int64_t deadline = 0) {
  prompt_asker<int> x;
  x.ctx.level = level;
  x.ctx.deadline = deadline;
  x.client = client;
  x.ticket = ticket;
  return x;
}

prompts::call join(prompts& to, const std::string& key, prompt_asker<int> x) {
  return to.join(key, x);
}

generation deterministic() {
  generation x;
  x.tenant = "acme";
  x.deployments = {"one"};
  x.messages = {{"user", "Hi"}};
  x.parameters = R"({"temperature":0})";
  return x;
}

} // namespace

TEST_CASE("who asks the same while a call is under way joins it") {
  prompts all{3};
  auto call = all.open("a", asker(1));
  CHECK(join(all, "a", asker(2)) == call);
  CHECK_FALSE(join(all, "b", asker(3)));
  CHECK(join(all, "a", asker(3)) == call);
  CHECK_FALSE(join(all, "a", asker(4))); // full
  CHECK(call->askers.size() == 3);
  all.close(*call);
  CHECK(all.size() == 0);
  CHECK_FALSE(join(all, "a", asker(5)));
}

TEST_CASE("calls without a key are never joined") {
  prompts all{3};
  all.open({}, asker(1));
  CHECK_FALSE(join(all, {}, asker(2)));
  CHECK(all.size() == 0);
}

TEST_CASE("a call that is over leaves a newer one of the same key alone") {
  prompts all{1};
  auto full = all.open("a", asker(1));
  auto next = all.open("a", asker(2));
  all.close(*full);
  CHECK(all.size() == 1);
  all.close(*next);
  CHECK(all.size() == 0);
}

TEST_CASE("a call has the best level of its askers and loses those who leave or are late") {
  prompts all{8};
  auto call = all.open("a", asker(1, 7, priority::low));
  join(all, "a", asker(1, 8, priority::high, 100));
  join(all, "a", asker(2, 7, priority::normal, 200));
  CHECK(call->level() == priority::high);
  CHECK_FALSE(call->remove(2, 8));
  auto late = call->take_late(150);
  REQUIRE(late.size() == 1);
  CHECK(late[0].ticket == 8);
  CHECK(call->level() == priority::normal);
  CHECK(call->remove(2, 7));
  CHECK(call->level() == priority::low);
  CHECK(call->remove(1, 7));
  CHECK(call->askers.empty());
}

TEST_CASE("every asker of random joins, leavings and ends is in one place") {
  prompts all{4};
  std::vector<prompts::call> calls;
  splitmix random{5};
  size_t asked = 0, gone = 0;
  for (uint64_t ticket = 1; ticket <= 20'000; ++ticket) {
    auto key = std::string(1, static_cast<char>('a' + random() % 4));
    if (random() % 3 != 0) {
      auto x = asker(1, ticket);
      ++asked;
      if (!all.join(key, x))
        calls.push_back(all.open(key, x));
    } else if (!calls.empty()) {
      auto at = calls.begin() + static_cast<long>(random() % calls.size());
      gone += random() % 2 == 0
                  ? 0
                  : (*at)->remove(1, (*at)->askers.empty() ? 0 : (*at)->askers[0].ticket);
      if ((*at)->askers.empty() || random() % 2 == 0) {
        gone += (*at)->askers.size();
        all.close(**at);
        calls.erase(at);
      }
    }
    size_t waiting = 0;
    for (auto& x : calls) {
      waiting += x->askers.size();
      REQUIRE(x->askers.size() <= 4);
    }
    REQUIRE(waiting + gone == asked);
    REQUIRE(all.size() <= calls.size());
  }
}

TEST_CASE("only a temperature of zero makes a prompt one that may be shared") {
  auto key = [](const char* parameters) {
    auto x = deterministic();
    x.parameters = parameters;
    return sharing_key(x);
  };
  CHECK_FALSE(key(R"({"temperature":0})").empty());
  CHECK_FALSE(key(R"({"temperature":0.0,"seed":7})").empty());
  CHECK(key(R"({"temperature":0,"seed":7})") == key(R"({"seed":7,"temperature":0})"));
  for (auto* x : {"", "{}", R"({"seed":7})", R"({"temperature":0.1})", R"({"temperature":null})",
                  R"({"temperature":"0"})", R"({"temperature":false})", "[0]", "{"})
    CHECK(key(x).empty());
}

TEST_CASE("whatever reaches the provider tells two prompts apart") {
  std::vector<generation> all(10, deterministic());
  all[1].tenant = "other";
  all[2].deployments = {"one", "two"};
  all[3].model = "big";
  all[4].persona = "pirate";
  all[5].messages = {{"user", "Hi!"}};
  all[6].messages = {{"user", "H"}, {"i", ""}};
  all[7].parameters = R"({"temperature":0,"seed":7})";
  all[8].stream = true;
  all[9].memories.resize(1);
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t j = 0; j < all.size(); ++j)
      CHECK((sharing_key(all[i]) == sharing_key(all[j])) == (i == j));
}
