#pragma once

#include <algorithm>
#include <deque>

#include "messages/loading.hpp"
#include "test/fixture.hpp"

namespace sotto::test {

/// A store whose commits happen when the test says so.
struct fake_store {
  struct waiting {
    store_client_actor client;
    uint64_t ticket;
    store_write write;
  };
  std::deque<waiting> writes;
  std::vector<memory> rows;
  std::vector<turn_record> turns;
  /// What users said in groups.
  std::vector<spoken_lines> spoken;
  /// Who asked to be told when what was sent before is committed, and behind how many writes.
  struct held_drain {
    caf::strong_actor_ptr client;
    caf::message_id answer;
    size_t behind;
  };
  std::vector<held_drain> drains;
  /// `parts`: asked for after the first of an owner.
  int loads = 0, parts = 0, drains_asked = 0;
  bool reader_silent = false, reader_fails = false, writer_silent = false;
  bool parts_silent = false, parts_fail = false;

  void commit(failure why = {}) {
    auto x = std::move(writes.front());
    writes.pop_front();
    if (!why && x.write.what == store_write::kind::insert)
      rows.insert(rows.end(), x.write.memories.begin(), x.write.memories.end());
    if (!why && x.write.what == store_write::kind::forget)
      rows.clear();
    if (!why && x.write.what == store_write::kind::remove)
      std::erase_if(rows, [&](auto& m) { return std::ranges::count(x.write.seqs, m.seq) > 0; });
    caf::anon_send<caf::message_priority::high>(x.client, context{}, atom::committed_v, x.ticket,
                                                why);
    for (auto& y : drains)
      if (--y.behind == 0)
        y.client->enqueue(nullptr, y.answer, caf::make_message(atom::drained_v), nullptr);
    std::erase_if(drains, [](auto& y) { return y.behind == 0; });
  }
};

inline store_writer_actor::behavior_type writer(store_writer_actor::pointer self,
                                                fake_store* store) {
  return {[=](const context&, atom::write, store_client_actor& client, uint64_t ticket,
              store_write& x) {
            store->writes.push_back({client, ticket, std::move(x)});
          },
          [=](const context&, atom::drain) {
            fake_store::held_drain x{self->current_sender(),
                                     self->current_mailbox_element()->mid.response_id(),
                                     store->writes.size()};
            auto promise = self->make_response_promise<atom::drained>();
            ++store->drains_asked;
            if (store->writes.empty() && !store->writer_silent)
              promise.deliver(atom::drained_v);
            else
              store->drains.push_back(std::move(x));
            return promise;
          }};
}

inline part_reader_actor::behavior_type reader(part_reader_actor::pointer self, fake_store* store) {
  auto part = [=](const owner_key& owner, uint64_t after) {
    memory_write found;
    found.owner = owner;
    for (auto& x : store->rows)
      if (x.seq > after && found.memories.size() < part_rows)
        found.memories.push_back(x);
    return found;
  };
  return {[=](const context&, atom::load, const shard_actor& to, const owner_key& owner) {
            ++store->loads;
            auto found = part(owner, 0);
            found.turns = store->turns;
            failure why;
            if (store->reader_fails)
              why = {ec::storage_failed, "broken on purpose", {}};
            if (!store->reader_silent)
              self->send<caf::message_priority::high>(to, context{}, atom::loaded_v,
                                                      std::move(found), std::move(why));
          },
          [=](const context&, atom::load, const owner_key& owner,
              uint64_t after) -> caf::result<memory_write> {
            ++store->parts;
            if (store->parts_fail)
              return to_error({ec::storage_failed, "broken on purpose", {}});
            if (store->parts_silent)
              return self->make_response_promise<memory_write>();
            return part(owner, after);
          },
          [=](const context&, atom::list, const spoken_by&) { return store->spoken; }};
}

} // namespace sotto::test
