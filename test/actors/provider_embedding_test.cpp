#include "actors/provider_embedding.hpp"

#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "test/fixture.hpp"

using namespace sotto;
using namespace std::chrono_literals;
using json = nlohmann::json;

namespace {

using vector = std::vector<float>;

struct posted {
  json body;
  http_events events;
};

/// Outlives the system: what is still under way at the end is answered and cancelled then.
struct seen_by_test {
  std::vector<posted> posts;
  std::vector<std::optional<caf::expected<vector>>> answers;
  int links = 0, cancelled = 0;
};

struct shared_world {
  std::map<std::string, std::string> values;
  std::vector<std::string> asked;
};

shared_cache_actor::behavior_type fake_cache(shared_cache_actor::pointer,
                                             const std::shared_ptr<shared_world>& w) {
  return {[w](const context&, atom::load, const std::vector<std::string>& keys) {
            std::vector<std::string> found;
            for (auto& x : keys) {
              w->asked.push_back(x);
              found.push_back(w->values[x]);
            }
            return found;
          },
          [w](const context&, atom::write, const std::vector<std::string>& keys,
              const std::vector<std::string>& values) {
            for (size_t i = 0; i < keys.size(); ++i)
              w->values[keys[i]] = values[i];
          }};
}

/// A provider that the test plays: what was posted waits in `posts` until it is answered.
struct played_provider : seen_by_test, test::frozen_system {
  struct link : http_link {
    explicit link(played_provider& to) : to_(to) {}
    void post(http_post what, http_events events) override {
      to_.posts.push_back({json::parse(what.body), std::move(events)});
    }
    void cancel() override { ++to_.cancelled; }
    played_provider& to_;
  };

  embedding_actor start(embedding_options with = {}, shared_cache_actor shared = {}) {
    with.base_url = "http://provider/v1";
    with.model = "small";
    auto provider =
        spawn(provider_embedding, with, link_function{[this] {
                ++links;
                return caf::expected<std::shared_ptr<http_link>>{std::make_shared<link>(*this)};
              }},
              std::move(shared));
    return spawn(embedding, embedding_work(with, provider), places);
  }

  /// Answers with a vector a text: its length and 1.
  void serve(posted x) {
    auto data = json::array();
    for (size_t i = 0; i < x.body["input"].size(); ++i)
      data.push_back(
          {{"index", i}, {"embedding", {x.body["input"][i].get<std::string>().size(), 1}}});
    answer(x, 200, json{{"data", data}}.dump());
  }

  void answer(const posted& x, unsigned status, const std::string& body, uint32_t retry_after = 0) {
    http_head head;
    head.status = status;
    head.retry_after = retry_after;
    x.events.on_head(head);
    x.events.on_piece(body);
    x.events.on_end();
    run();
  }

  void request(const embedding_actor& to, const std::string& text, uint64_t tenant = 0) {
    auto place = answers.size();
    answers.emplace_back();
    auto from = flow();
    from.tenant = tenant;
    system->spawn([=, this, ctx = from](caf::event_based_actor* me) {
      me->request(to, caf::infinite, ctx, atom::embed_v, text)
          .then([=, this](vector& x) { answers[place] = caf::expected<vector>{std::move(x)}; },
                [=, this](caf::error& why) { answers[place] = caf::expected<vector>{why}; });
    });
    run();
  }

  failure why(size_t i) {
    REQUIRE(answers.at(i));
    return *answers[i] ? failure{} : to_failure(answers[i]->error());
  }

  posted next() {
    REQUIRE_FALSE(posts.empty());
    auto x = std::move(posts.front());
    posts.erase(posts.begin());
    return x;
  }

  std::shared_ptr<work_places> places = std::make_shared<work_places>();
};

} // namespace

TEST_CASE_METHOD(played_provider, "a provider is asked once for a text", "[caf]") {
  auto actor = start();
  request(actor, "abc");
  auto asked = next();
  CHECK(asked.body["model"] == "small");
  CHECK(asked.body["input"] == json{"abc"});
  serve(asked);
  REQUIRE(*answers[0]);
  CHECK((**answers[0])[0] == Approx(3 / std::sqrt(10.0)));
  request(actor, "abc");
  CHECK(posts.empty()); // from the cache
  CHECK(**answers[1] == **answers[0]);
}

TEST_CASE_METHOD(played_provider, "no tenant finds in a cache what another embedded", "[caf]") {
  auto world = std::make_shared<shared_world>();
  auto shared = spawn(fake_cache, world);
  auto acme = tenant_number("acme"), umbra = tenant_number("umbra");
  auto actor = start({}, shared);
  request(actor, "abc", acme);
  request(actor, "abc", umbra); // while the first is under way
  REQUIRE(posts.size() == 2);
  serve(next());
  serve(next());
  request(actor, "abc", tenant_number("third"));
  REQUIRE(posts.size() == 1);
  serve(next());
  request(actor, "abc", acme);
  CHECK(posts.empty());
  CHECK(std::set<std::string>{world->asked.begin(), world->asked.end()}.size() == 3);
  // Another node has the shared cache alone.
  auto other = start({}, shared);
  request(other, "abc", umbra);
  CHECK(posts.empty());
  request(other, "abc", tenant_number("fourth"));
  CHECK(posts.size() == 1);
  serve(next());
}

TEST_CASE_METHOD(played_provider, "what is damaged in a shared cache is not there", "[caf]") {
  auto world = std::make_shared<shared_world>();
  auto shared = spawn(fake_cache, world);
  auto actor = start({}, shared);
  request(actor, "abc");
  serve(next());
  REQUIRE(world->values.size() == 1);
  auto& kept = world->values.begin()->second;
  SECTION("cut short") {
    kept.resize(sizeof(float));
  }
  SECTION("of numbers that are too large") {
    vector huge{3e38F, 3e38F};
    std::memcpy(kept.data(), huge.data(), kept.size());
  }
  SECTION("of no numbers") {
    vector none{std::nanf(""), 1};
    std::memcpy(kept.data(), none.data(), kept.size());
  }
  // Another node, which does not know yet how long vectors are.
  auto other = start({}, shared);
  request(other, "abc");
  REQUIRE(posts.size() == 1);
  serve(next());
  CHECK(**answers[1] == **answers[0]);
  request(other, "abcd");
  serve(next());
  CHECK(*answers[2]);
}

TEST_CASE_METHOD(played_provider, "texts that wait for a place go together", "[caf]") {
  embedding_options with;
  with.max_in_flight = 1;
  auto actor = start(with);
  for (auto* text : {"first", "a", "bb", "ccc", "a"})
    request(actor, text);
  REQUIRE(posts.size() == 1);
  serve(next());
  pass(10ms);
  auto asked = next();
  CHECK(asked.body["input"].size() == 3); // the equal ones once
  CHECK(posts.empty());
  serve(asked);
  for (size_t i = 0; i < 5; ++i)
    CHECK_FALSE(why(i));
  CHECK(links == 1); // kept alive
}

TEST_CASE_METHOD(played_provider, "what may pass is tried again, then fails", "[caf]") {
  auto actor = start();
  request(actor, "abc");
  SECTION("and is served at last") {
    answer(next(), 500, "oops");
    CHECK(posts.empty());
    pass(1s);
    answer(next(), 429, "{}", 3);
    pass(1s);
    CHECK(posts.empty()); // it asked for three seconds
    pass(3s);
    serve(next());
    CHECK_FALSE(why(0));
    return;
  }
  for (int i = 0; i < 3; ++i) {
    next().events.on_error({ec::timeout, "no answer", {}});
    pass(3s);
  }
  CHECK(posts.empty());
  CHECK(why(0).code == ec::unavailable);
}

TEST_CASE_METHOD(played_provider, "a provider is not asked again for nobody", "[caf]") {
  auto actor = start();
  auto soon = flow(priority::normal, 2s);
  system->spawn([=](caf::event_based_actor* me) {
    me->request(actor, caf::infinite, soon, atom::embed_v, std::string{"abc"})
        .then([](const vector&) {}, [](const caf::error&) {});
  });
  run();
  answer(next(), 429, "{}", 3); // later than anybody waits
  pass(4s);
  CHECK(posts.empty());
  request(actor, "abc"); // nothing was kept of it
  pass(1s);              // it may be gathered with others
  serve(next());
  CHECK_FALSE(why(0));
}

TEST_CASE_METHOD(played_provider, "a bad text fails alone", "[caf]") {
  embedding_options with;
  with.max_in_flight = 1;
  auto actor = start(with);
  for (auto* text : {"first", "fine", "bad", "good"})
    request(actor, text);
  serve(next());
  for (int i = 0; i < 10; ++i) {
    pass(10ms);
    while (!posts.empty()) {
      auto x = next();
      auto& input = x.body["input"];
      if (std::find(input.begin(), input.end(), "bad") != input.end())
        answer(x, 400, R"({"error":{"message":"too long"}})");
      else
        serve(x);
    }
  }
  CHECK_FALSE(why(1));
  CHECK_FALSE(why(3));
  CHECK(why(2).code == ec::invalid);
  CHECK(why(2).message.find("too long") != std::string::npos);
}

TEST_CASE_METHOD(played_provider, "a wrong answer is never believed", "[caf]") {
  auto actor = start();
  request(actor, "abc");
  SECTION("of the wrong count") {
    answer(next(), 200, R"({"data":[]})");
  }
  SECTION("of another dimension than before") {
    serve(next());
    request(actor, "other");
    answer(next(), 200, R"({"data":[{"index":0,"embedding":[1,2,3]}]})");
  }
  SECTION("that is no JSON") {
    answer(next(), 200, "<html>");
  }
  CHECK(why(answers.size() - 1).code == ec::upstream_failed);
}

TEST_CASE_METHOD(played_provider, "a provider that keeps failing is left alone for a while",
                 "[caf]") {
  embedding_options with;
  with.retries = 0;
  auto actor = start(with);
  for (int i = 0; i < 5; ++i) {
    request(actor, std::to_string(i));
    next().events.on_error({ec::timeout, "no answer", {}});
    run();
  }
  request(actor, "now");
  CHECK(posts.empty());
  CHECK(why(5).code == ec::unavailable);
  pass(2s);
  request(actor, "later");
  serve(next());
  CHECK_FALSE(why(6));
}

TEST_CASE_METHOD(played_provider, "a missing key says which", "[caf]") {
  embedding_options with;
  with.api_key_env = "SOTTO_TEST_NO_SUCH_KEY";
  auto actor = start(with);
  request(actor, "abc");
  CHECK(posts.empty());
  CHECK(why(0).message.find("SOTTO_TEST_NO_SUCH_KEY") != std::string::npos);
}

TEST_CASE("a cache drops what was not used for longest") {
  vector_cache cache{2};
  cache.add({"a", 1}, {1});
  cache.add({"b", 1}, {2});
  REQUIRE(cache.find({"a", 1}));
  CHECK_FALSE(cache.find({"a", 2}));
  cache.add({"c", 1}, {3});
  CHECK(cache.size() == 2);
  CHECK(cache.find({"a", 1}));
  CHECK_FALSE(cache.find({"b", 1}));
  vector_cache none{0};
  none.add({"a", 1}, {1});
  CHECK_FALSE(none.find({"a", 1}));
}
