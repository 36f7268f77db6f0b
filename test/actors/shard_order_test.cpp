// SHARD with the real STORE WRITER, which serves by level: whatever is asked for later must not
// reach the store before what it undoes.
#include <limits>

#include "actors/shard.hpp"
#include "actors/store_writer.hpp"
#include "test/actors/fake_store.hpp"
#include "test/store_fixture.hpp"

using namespace sotto;
using namespace sotto::test;

namespace {

struct order_fixture : frozen_system {
  order_fixture() {
    silent.reader_silent = true;
    home = spawn(shard, shard_options{}, spawn(store_writer, store_writer_options{}, db),
                 spawn(reader, &silent), shard_embedder{}, std::make_shared<memory_account>(),
                 uint64_t{0});
  }

  template <class... Ts>
  void tell(priority level, Ts&&... xs) {
    (void)(*self)->request(home, caf::infinite, flow(level), std::forward<Ts>(xs)...);
    run(); // they reach SHARD in this order
  }

  void remember(priority level, std::string id) {
    memory_write x;
    x.owner = ada;
    x.memories.resize(1);
    x.memories[0].id = std::move(id);
    x.memories[0].text = "tea";
    x.memories[0].conversation = "talk";
    tell(level, atom::remember_v, std::move(x));
  }

  /// Has what waits for the owner to be loaded written, all at the same time.
  void let_go_on() {
    memory_write nothing;
    nothing.owner = ada;
    caf::anon_send<caf::message_priority::high>(home, context{}, atom::loaded_v, nothing,
                                                failure{});
    run();
  }

  owner_key ada{"acme", "ada"};
  scratch dir;
  std::shared_ptr<store> db{test::open(in(dir.path))};
  fake_store silent;
  shard_actor home;
};

} // namespace

TEST_CASE_METHOD(order_fixture, "what is removed while it is on its way to the store is removed") {
  remember(priority::background, "a");
  remember(priority::normal, "b");
  tell(priority::high, atom::remove_v, ada, std::string{"a"});
  let_go_on();
  CHECK(ids(load(*db, "ada")) == std::vector<std::string>{"b"});
}

TEST_CASE_METHOD(order_fixture,
                 "who is forgotten leaves nothing that was on its way to the store") {
  remember(priority::low, "a");
  tell(priority::background, atom::journal_v, turn_opening{ada, "talk", "k", 7});
  tell(priority::critical, atom::forget_v, ada);
  let_go_on();
  auto left = load(*db, "ada");
  CHECK(left.memories.empty());
  CHECK(left.turns.empty());
}

TEST_CASE_METHOD(order_fixture, "a summary on its way to the store goes with what it tells of") {
  remember(priority::normal, "a");
  tell(priority::background, atom::summarise_v, ada, summary_record{"talk", "of tea", 1},
       std::numeric_limits<uint64_t>::max());
  tell(priority::normal, atom::remove_v, ada, std::string{"a"});
  let_go_on();
  CHECK(load(*db, "ada").summaries.empty());
}

TEST_CASE_METHOD(order_fixture,
                 "what is said while its owner is being forgotten comes after that") {
  remember(priority::background, "a");
  tell(priority::normal, atom::forget_v, ada);
  tell(priority::critical, atom::journal_v, turn_opening{ada, "talk", "k", 7});
  remember(priority::critical, "b");
  let_go_on();
  auto left = load(*db, "ada");
  CHECK(ids(left) == std::vector<std::string>{"b"});
  CHECK(left.turns.size() == 1);
}
