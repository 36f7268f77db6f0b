// What comes over a link and is not understood: calls, bytes, and other releases.
#include "actors/link_hello.hpp"
#include "runtime/message_bytes.hpp"
#include "test/actors/link_fixture.hpp"

using namespace sotto;
using namespace sotto::test;
using namespace std::chrono_literals;

TEST_CASE("a call that is not understood is answered", "[link]") {
  link_fixture f;
  f.b_owns_all();
  // A later release has a request that this one does not know.
  auto odd = caf::make_message(context{}, caf::atom("dance"), owner_key{});
  routed_call x;
  x.what = odd;
  x.client = f.client();
  x.ticket = 5;
  caf::anon_send<caf::message_priority::high>(f.a.route, context{}, atom::returned_v,
                                              x); // as if it came back: ROUTE sends it again
  f.run();
  for (int i = 0; i < 5; ++i)
    f.pass(100ms);
  REQUIRE(f.failures().contains(5));
  CHECK(f.failures().at(5).code == ec::invalid);
  CHECK(f.failures().at(5).message.find("0.1.0") != std::string::npos);
}

TEST_CASE("bytes that are no message are answered, whatever they are", "[link]") {
  frozen_system f{3};
  splitmix random{7};
  auto good = message_to_bytes(*f.system, caf::make_message(context{}, atom::recall_v, query("q")));
  int understood = 0;
  for (int i = 0; i < 3000; ++i) {
    auto bytes = good;
    for (auto n = random() % 8 + 1; n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(bytes.size() - random() % bytes.size());
    understood += static_cast<bool>(message_from_bytes(*f.system, bytes));
  }
  CHECK(understood < 3000);
  CHECK(message_from_bytes(*f.system, good));
}

TEST_CASE("two releases whose protocols meet are linked, others are told why not", "[link]") {
  link_hello self{"one", "a", "1", "0.1.0", 2, 4, 1, 1},
      other{"one", "b", "1", "0.2.0", 4, 6, 1, 1};
  CHECK(!check_hello(self, "b", other));
  other.oldest = 5;
  auto why = check_hello(self, "b", other);
  CHECK(why.message.find("0.1.0") != std::string::npos);
  CHECK(why.message.find("0.2.0") != std::string::npos);
  other = {"two", "b", "1", "0.1.0", 2, 4, 1, 1};
  CHECK(check_hello(self, "b", other).message.find("two") != std::string::npos);
  other = {"one", "a", "2", "0.1.0", 2, 4, 1, 1};
  CHECK(check_hello(self, "a", other));
  other = {"one", "c", "2", "0.1.0", 2, 4, 1, 1};
  CHECK(check_hello(self, "b", other));
}

TEST_CASE("a node of another protocol or cluster is not linked, and says why", "[link]") {
  constexpr auto ours = newest_link_protocol;
  for (auto& [as, part] :
       {std::pair{link_hello{"two", "", "", "", ours, ours, 1, 1}, "cluster two"},
        {link_hello{"one", "", "", "", ours + 6, ours + 7, 1, 1}, "protocol"}}) {
    link_fixture f{1, {}, as};
    f.meet();
    f.pass(300ms);
    auto states = f.ask<std::vector<link_state_report>>(f.a.links, context{}, atom::list_v);
    REQUIRE(states);
    REQUIRE(states->size() == 1);
    CHECK(!states->at(0).up);
    CHECK_THAT(states->at(0).why, Catch::Contains(part));
  }
}
