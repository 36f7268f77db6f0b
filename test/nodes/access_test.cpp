#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "nodes/access.hpp"
#include "runtime/replace_file.hpp"

using namespace sotto;
using Catch::Contains;

namespace {

constexpr int64_t now = 1'767'225'600'000'000, second = 1'000'000'000;

/// A folder that is removed with the test, the keys in it, and a door that reads them.
class house {
public:
  explicit house(std::string listen = "127.0.0.1:7700") : listen_(std::move(listen)) {
    options.keys_file = (folder / "keys.json").string();
    std::filesystem::create_directories(folder);
  }
  ~house() { std::filesystem::remove_all(folder); }

  /// Makes a key, keeps it and returns its text.
  std::string make(const std::function<void(api_key&)>& change = {}) {
    api_key with;
    with.tenant = "acme";
    if (change)
      change(with);
    with.created = now;
    auto made = make_key(std::move(with));
    keys.push_back(made->record);
    save();
    return made->text;
  }

  void save() { REQUIRE_FALSE(write_keys(options.keys_file, keys)); }

  sotto::access& door() {
    if (!door_) {
      door_ = std::make_unique<sotto::access>(options, listen_, registry_);
      why = door_->open();
    }
    return *door_;
  }

  access_verdict ask(const std::string& key, visitor who = visit("/v1/models"), int64_t at = now,
                     int64_t nanos = second) {
    auto header = "Bearer " + key;
    if (!key.empty())
      who.authorization = header;
    return door().check(who, at, nanos);
  }

  static visitor visit(std::string_view path) {
    visitor x;
    x.path = path;
    x.host = "127.0.0.1:7700";
    return x;
  }

  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("sotto_access_" + std::to_string(::getpid()));
  edge_options options;
  std::vector<api_key> keys;
  failure why;

private:
  std::string listen_;
  prometheus::Registry registry_;
  std::unique_ptr<sotto::access> door_;
};

unsigned status(const access_verdict& x) {
  return x.answer ? x.answer->status : 0;
}

std::string header(const std::vector<std::pair<std::string, std::string>>& from,
                   const std::string& name) {
  for (auto& [key, value] : from)
    if (key == name)
      return value;
  return "";
}

} // namespace

TEST_CASE("a key is written once and only its hash is kept") {
  house x;
  auto text = x.make([](auto& k) {
    k.name = "bot";
    k.ceiling = priority::low;
    k.rate = 2.5;
    k.burst = 4;
  });
  auto parts = split_key(text);
  REQUIRE(parts);
  CHECK(parts->id == x.keys[0].id);
  CHECK(text != x.make());
  auto kept = read_small_file(x.options.keys_file, 1 << 20);
  CHECK(kept->find(std::string{parts->secret}) == std::string::npos);
  struct stat file {};
  REQUIRE(::stat(x.options.keys_file.c_str(), &file) == 0);
  CHECK((file.st_mode & 0777) == 0600);
  auto back = read_keys(x.options.keys_file);
  REQUIRE(back->size() == 2);
  CHECK(back->at(0).ceiling == priority::low);
  CHECK(back->at(0).rate == 2.5);
  CHECK(back->at(0).burst == 4);
  CHECK(back->at(0).name == "bot");
  CHECK(same_hash(*hash_from(back->at(0).hash), hash_of(parts->secret)));
}

TEST_CASE("only the very key is let in") {
  house x;
  auto key = x.make([](auto& k) {
    k.tenant = "acme";
    k.ceiling = priority::normal;
  });
  auto in = x.ask(key);
  CHECK_FALSE(in.answer);
  CHECK(in.who.tenant == "acme");
  CHECK(in.who.allowed(priority::critical) == priority::normal);
  CHECK(in.who.allowed(priority::low) == priority::low);
  CHECK_FALSE(in.who.admin);
  for (size_t i = 0; i < key.size(); ++i) {
    auto other = key;
    other[i] = other[i] == '0' ? '1' : '0';
    REQUIRE(status(x.ask(other)) == 401);
  }
  CHECK(status(x.ask(key + "0")) == 401);
  CHECK(status(x.ask(key.substr(0, key.size() - 1))) == 401);
  auto none = x.ask("");
  REQUIRE(status(none) == 401);
  CHECK_THAT(none.answer->body, Contains("invalid_api_key") && Contains("sotto keys create"));
  CHECK_THAT(header(none.answer->headers, "WWW-Authenticate"), Contains("Bearer"));
}

TEST_CASE("a browser's WebSocket gives its key as a subprotocol; nothing else may") {
  house x;
  auto key = x.make();
  auto offered = "sotto.json.v1, sotto.key." + key;
  auto who = house::visit("/v1/actors");
  who.protocols = offered;
  CHECK(status(x.ask("", who)) == 401);
  who.websocket = true;
  CHECK(status(x.ask("", who)) == 0);
  CHECK(status(x.ask("sk-sotto-x", who)) == 401);
}

TEST_CASE("keys end when they are revoked and when their time is over, also for open sockets") {
  house x;
  auto ends = x.make([](auto& k) { k.expires = now + 10; });
  auto stays = x.make();
  auto who = x.ask(ends).who;
  x.door().changed(now);
  CHECK_FALSE(x.door().changed(now + 1));
  CHECK(x.door().changed(now + 10));
  CHECK_FALSE(x.door().changed(now + 11));
  CHECK(x.door().holds(who, now));
  CHECK_FALSE(x.door().holds(who, now + 10));
  auto late = x.ask(ends, house::visit("/v1/models"), now + 10);
  REQUIRE(status(late) == 401);
  CHECK_THAT(late.answer->body, Contains("expired"));

  auto other = x.ask(stays).who;
  x.keys[1].revoked = now;
  x.save();
  x.door().reload();
  CHECK(x.door().changed(now + 12));
  CHECK_FALSE(x.door().holds(other, now));
  auto gone = x.ask(stays);
  REQUIRE(status(gone) == 401);
  CHECK_THAT(gone.answer->body, Contains("revoked"));
  // Neither key is good any more; that does not open the node.
  CHECK(status(x.ask("", house::visit("/v1/models"), now + 20)) == 401);
}

TEST_CASE("who came in before there were keys goes when there are") {
  house x;
  auto guest = x.ask("").who;
  CHECK(guest.tenant == default_tenant);
  CHECK(guest.admin);
  CHECK(x.door().holds(guest, now));
  x.make();
  x.door().reload();
  CHECK_FALSE(x.door().holds(guest, now));
  CHECK(status(x.ask("")) == 401);
}

TEST_CASE("a damaged or missing file changes nothing for a running node and keeps a new one from "
          "starting") {
  house x;
  auto key = x.make();
  CHECK(status(x.ask(key)) == 0);
  auto good = *read_small_file(x.options.keys_file, 1 << 20);
  auto hash = good.find("sha256");
  for (auto& text : {std::string{}, std::string{"{}"}, good.substr(0, good.size() / 2),
                     std::string{R"({"keys":[]})"}, std::string{good}.replace(hash, 6, "sha999")}) {
    std::ofstream{x.options.keys_file} << text;
    x.door().reload();
    INFO(text);
    CHECK(status(x.ask(key)) == 0);
    CHECK(status(x.ask("")) == 401);
    if (text == R"({"keys":[]})")
      continue;
    prometheus::Registry registry;
    auto why = sotto::access{x.options, "127.0.0.1:1", registry}.open();
    CHECK(why.code == ec::storage_failed);
    CHECK_THAT(why.message, Contains(x.options.keys_file) && Contains("damaged"));
  }
  std::filesystem::remove(x.options.keys_file);
  x.door().reload();
  CHECK(status(x.ask(key)) == 0);
}

TEST_CASE("without keys a node serves its own machine only") {
  for (auto* listen : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"}) {
    house x{listen};
    x.door();
    CHECK_FALSE(x.why);
  }
  for (auto* listen : {"0.0.0.0:1", "[::]:1", "192.168.0.7:1", "example.org:1"}) {
    house x{listen};
    x.door();
    INFO(listen);
    CHECK(x.why.code == ec::invalid);
    CHECK_THAT(x.why.message, Contains("sotto keys create") && Contains("gateway.open"));
    house open{listen};
    open.options.open = true;
    open.door();
    CHECK_FALSE(open.why);
    house closed{listen};
    closed.make();
    closed.door();
    CHECK_FALSE(closed.why);
  }
}

TEST_CASE("what needs a key, and what an admin's") {
  house x;
  auto key = x.make(), admin = x.make([](auto&k) {
    k.tenant = "ops";
    k.admin = true;
  });
  for (auto* path : {"/livez", "/readyz", "/health", "/ready", "/status", "/"})
    CHECK(status(x.ask("", house::visit(path))) == 0);
  for (auto* path : {"/v1/models", "/api/chat", "/metrics", "/v1/admin/x", "/livez/", "//livez",
                     "/anything", "", "/V1/models", "/%6civez"})
    CHECK(status(x.ask("", house::visit(path))) == 401);
  auto post = house::visit("/livez");
  post.verb = http_verb::post;
  CHECK(status(x.ask("", post)) == 401);
  for (auto* path : {"/metrics", "/v1/traces", "/v1/admin", "/v1/admin/x"}) {
    CHECK(status(x.ask(key, house::visit(path))) == 403);
    CHECK(status(x.ask(admin, house::visit(path))) == 0);
  }
}

TEST_CASE("another tenant is an admin's alone") {
  house x;
  auto key = x.make([](auto&k) { k.tenant = "acme"; }), admin = x.make([](auto&k) {
    k.tenant = "ops";
    k.admin = true;
  });
  auto who = house::visit("/v1/users/ada");
  who.tenant = "beta";
  CHECK(status(x.ask(key, who)) == 403);
  CHECK(x.ask(admin, who).who.tenant == "beta");
  who.tenant = "acme";
  CHECK(x.ask(key, who).who.tenant == "acme");
  who.tenant = "a/b";
  CHECK(status(x.ask(admin, who)) == 400);
}

TEST_CASE("a key's rate is one for all its sockets, told in every answer, and outlives a reload") {
  house x;
  auto key = x.make([](auto&k) {
    k.rate = 2;
    k.burst = 2;
  }),
       other = x.make([](auto&k) {
         k.rate = 2;
         k.burst = 2;
       });
  auto first = x.ask(key);
  CHECK(status(first) == 0);
  CHECK(header(first.headers, "x-ratelimit-limit-requests") == "2");
  CHECK(header(first.headers, "x-ratelimit-remaining-requests") == "1");
  CHECK(header(first.headers, "x-ratelimit-reset-requests") == "500ms");
  CHECK(status(x.ask(key)) == 0);
  x.door().reload();
  auto refused = x.ask(key);
  REQUIRE(status(refused) == 429);
  CHECK(header(refused.headers, "x-ratelimit-remaining-requests") == "0");
  CHECK(header(refused.headers, "x-ratelimit-reset-requests") == "1s");
  CHECK(header(refused.answer->headers, "Retry-After") == "1");
  CHECK(header(refused.answer->headers, "retry-after-ms") == "500");
  CHECK(status(x.ask(other)) == 0);
  CHECK(status(x.ask(key, house::visit("/v1/models"), now, second + second / 2)) == 0);
}

TEST_CASE("pages call from listed origins alone") {
  house x;
  x.options.cors_origins = {"https://app.example"};
  auto who = house::visit("/v1/models");
  who.origin = "https://app.example";
  auto in = x.ask("", who);
  CHECK(status(in) == 0);
  CHECK(header(in.headers, "Access-Control-Allow-Origin") == "https://app.example");
  CHECK(header(in.headers, "Vary") == "Origin");
  who.origin = "https://evil.example";
  auto out = x.ask("", who);
  CHECK(status(out) == 403);
  CHECK(header(out.headers, "Access-Control-Allow-Origin").empty());
  CHECK(header(out.headers, "Vary") == "Origin");
  who.origin = "null";
  CHECK(status(x.ask("", who)) == 403);
  who.origin = "http://127.0.0.1:7700";
  CHECK(status(x.ask("", who)) == 0);
  // A preflight bears no key.
  x.make();
  x.door().reload();
  who.origin = "https://app.example";
  who.verb = http_verb::options;
  who.wanted_method = "POST";
  auto flight = x.ask("", who);
  REQUIRE(status(flight) == 204);
  CHECK_THAT(header(flight.answer->headers, "Access-Control-Allow-Headers"),
             Contains("Authorization"));
  who.origin = "https://evil.example";
  CHECK(status(x.ask("", who)) == 403);
}

TEST_CASE("a name that somebody can register does not lead to an open node") {
  house x;
  auto who = house::visit("/v1/memories");
  for (auto* host :
       {"localhost", "localhost:1", "a.localhost", "127.0.0.1", "[::1]:1", "sotto", ""}) {
    who.host = host;
    INFO(host);
    CHECK(status(x.ask("", who)) == 0);
  }
  for (auto* host :
       {"evil.example", "evil.example:7700", "127.0.0.1.evil.example", "evil.example."}) {
    who.host = host;
    INFO(host);
    CHECK(status(x.ask("", who)) == 403);
  }
  auto key = x.make();
  x.door().reload();
  CHECK(status(x.ask(key, who)) == 0);
}

TEST_CASE("a node that is no gateway serves operators only, and says so to others") {
  house x;
  auto key = x.make();
  auto admin = x.make([](auto& k) { k.admin = true; });
  x.door().serve_operators_only();
  for (auto* path : {"/v1/chat/completions", "/v1/models", "/v1/actors", "/v1/memories/search",
                     "/api/chat", "/no/such/path"}) {
    INFO(path);
    auto refused = x.ask(admin, house::visit(path));
    CHECK(status(refused) == 404);
    CHECK_THAT(refused.answer->body, Contains("not_a_gateway"));
    // Who has no key learns nothing of the node.
    CHECK(status(x.ask("", house::visit(path))) == 401);
  }
  for (auto* path : {"/livez", "/readyz", "/health", "/"})
    CHECK(status(x.ask("", house::visit(path))) == 0);
  for (auto* path : {"/metrics", "/v1/admin/cluster", "/v1/admin/cluster/drain"}) {
    CHECK(status(x.ask(admin, house::visit(path))) == 0);
    CHECK(status(x.ask(key, house::visit(path))) == 403);
  }
  CHECK(status(x.ask(key, house::visit("/v1/traces/0123"))) == 0);
}
