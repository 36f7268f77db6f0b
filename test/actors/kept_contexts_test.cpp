#include "actors/kept_contexts.hpp"

#include <catch2/catch.hpp>

using namespace sotto;

namespace {

struct kept_world {
  explicit kept_world(uint64_t most = 64 << 20)
      : account(std::make_shared<memory_account>(memory_account::no_limit, memory_account::no_limit,
                                                 most)) {
    kept.init(account);
  }

  void keep(const std::string& owner, const std::string& conversation, int64_t until = 100,
            size_t bytes = 10) {
    auto x = std::make_unique<conversation_context>();
    x->lines.push_back({owner, std::string(bytes, 'x'), false, 1});
    kept.keep({"default", owner}, conversation, std::move(x), until);
  }
  bool has(const std::string& owner, const std::string& conversation, int64_t now = 1) {
    return kept.take({"default", owner}, conversation, now) != nullptr;
  }

  std::shared_ptr<memory_account> account;
  kept_contexts kept;
};

} // namespace

TEST_CASE("what is kept of a conversation is handed out once, and not after its time") {
  kept_world w;
  w.keep("ada", "talk");
  w.keep("ada", "other", 50);
  CHECK_FALSE(w.has("bob", "talk"));
  CHECK(w.has("ada", "talk"));
  CHECK_FALSE(w.has("ada", "talk"));
  CHECK_FALSE(w.has("ada", "other", 50));
  CHECK(w.account->kept_bytes == 0);
}

TEST_CASE("of a forgotten owner nothing is kept, of others it is") {
  kept_world w;
  w.keep("ada", "talk");
  w.keep("ada", "other");
  w.keep("bob", "talk");
  w.kept.forget({"default", "ada"});
  CHECK_FALSE(w.has("ada", "talk"));
  CHECK_FALSE(w.has("ada", "other"));
  CHECK(w.has("bob", "talk"));
  CHECK(w.account->kept_bytes == 0);
}

TEST_CASE("the oldest give way, and what is too large for all is not kept") {
  kept_world w{64 << 10};
  for (int i = 0; i < 1000; ++i) {
    w.keep("ada", std::to_string(i), 100, 1000);
    CHECK(w.account->kept_bytes <= 64 << 10);
  }
  CHECK(w.has("ada", "999"));
  CHECK_FALSE(w.has("ada", "0"));
  w.keep("bob", "talk", 100, 1 << 20);
  CHECK_FALSE(w.has("bob", "talk"));
  CHECK(w.account->kept_bytes == 0);
}

TEST_CASE("what has had its time is dropped, what was kept anew is not") {
  kept_world w;
  w.keep("ada", "talk", 10);
  CHECK(w.has("ada", "talk"));
  w.keep("bob", "talk", 20);
  w.keep("ada", "talk", 30);
  w.kept.expire(20);
  CHECK_FALSE(w.has("bob", "talk", 0));
  CHECK(w.has("ada", "talk"));
  w.kept.expire(40);
  CHECK(w.kept.empty());
}
