#pragma once

#include "actors/shard.hpp"
#include "test/actors/fake_store.hpp"

namespace sotto::test {

/// SHARD with a store that a test plays.
struct shard_fixture : test::frozen_system {
  explicit shard_fixture(shard_options options = {})
      : to(spawn(writer, &store)), from(spawn(reader, &store)), home(start(options)) {}

  shard_actor start(shard_options options = {}) {
    return spawn(shard, options, to, from, embed_function{[](std::string_view text) {
                   return std::vector<float>{static_cast<float>(text.size()), 1};
                 }},
                 account, uint64_t{7});
  }

  /// What its supervisor does when it crashed.
  void restart() {
    caf::anon_send_exit(home, caf::exit_reason::kill);
    run();
    home = start();
    store.loads = 0;
  }

  using receipt =
      caf::response_handle<caf::blocking_actor, caf::detail::type_list<memory_receipt>, true>;

  auto remember(std::string id, std::string text, std::string owner = "ada") {
    memory_write x;
    x.owner = {"default", std::move(owner)};
    x.memories.resize(1);
    x.memories[0].id = std::move(id);
    x.memories[0].text = std::move(text);
    auto pending = (*self)->request(home, caf::infinite, flow(), atom::remember_v, std::move(x));
    run();
    return pending;
  }

  template <class Pending>
  caf::expected<memory_receipt> result(Pending pending) {
    run();
    caf::expected<memory_receipt> out{caf::make_error(caf::sec::request_timeout)};
    REQUIRE_FALSE((*self)->mailbox().empty());
    pending.receive([&](memory_receipt& x) { out = x; }, [&](caf::error& e) { out = e; });
    return out;
  }

  std::vector<std::string> found(std::string text, std::string owner = "ada") {
    memory_query q;
    q.owner = {"default", std::move(owner)};
    q.text = std::move(text);
    auto answer = ask<std::vector<recalled>>(home, flow(), atom::recall_v, q);
    REQUIRE(answer);
    std::vector<std::string> ids;
    for (auto& x : *answer)
      ids.push_back(x.what.id);
    return ids;
  }

  fake_store store;
  std::shared_ptr<memory_account> account = std::make_shared<memory_account>();
  store_writer_actor to;
  part_reader_actor from;
  shard_actor home;
};

} // namespace sotto::test
