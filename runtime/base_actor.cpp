#include "runtime/base_actor.hpp"

#include <caf/send.hpp>

#include "runtime/operation.hpp"

namespace sotto {

namespace {

/// Sends `failed` to the client of a message (context, verb, client, ticket, ...).
template <class Client>
bool tell(caf::mailbox_element& x, const failure& why) {
  auto& content = x.content();
  if (!content.match_element<Client>(2) || !content.match_element<uint64_t>(3))
    return false;
  auto& client = content.get_as<Client>(2);
  auto& ctx = content.get_as<context>(0);
  auto ticket = content.get_as<uint64_t>(3);
  if constexpr (std::is_same_v<Client, store_client_actor>)
    caf::anon_send<caf::message_priority::high>(client, ctx, atom::committed_v, ticket, why);
  else
    caf::anon_send<caf::message_priority::high>(client, ctx, atom::failed_v, ticket, why);
  return true;
}

/// Tells a job (context, verb, job) that it is not run.
bool tell_job(caf::mailbox_element& x, const failure& why) {
  auto& content = x.content();
  if (content.size() != 3)
    return false;
  if (content.match_element<work_job>(2))
    content.get_as<work_job>(2).refuse(why);
  else if (content.match_element<isolated_job>(2))
    content.get_as<isolated_job>(2).done(why);
  else if (content.match_element<started_batch>(2))
    content.get_as<started_batch>(2).what->refuse(why);
  else
    return false;
  return true;
}

/// Answers a `load` (context, verb, shard, owner).
void tell_loader(caf::mailbox_element& x, const failure& why) {
  auto& content = x.content();
  if (!content.match_element<shard_actor>(2) || !content.match_element<owner_key>(3))
    return;
  memory_write nothing;
  nothing.owner = content.get_as<owner_key>(3);
  caf::anon_send<caf::message_priority::high>(
      content.get_as<shard_actor>(2), content.get_as<context>(0), atom::loaded_v, nothing, why);
}

} // namespace

void refuse(caf::mailbox_element& x, failure why) {
  if (x.mid.is_request()) {
    if (x.sender)
      x.sender->enqueue(nullptr, x.mid.response_id(), caf::make_message(to_error(why)), nullptr);
    return;
  }
  if (tell_job(x, why) || x.content().size() < 4)
    return;
  if (!tell<turn_client_actor>(x, why) && !tell<llm_client_actor>(x, why)
      && !tell<store_client_actor>(x, why))
    tell_loader(x, why);
}

uint64_t verb_of(const caf::mailbox_element& x) {
  auto& content = x.content();
  if (content.size() < 2)
    return 0;
  return content.match_element<caf::atom_value>(1)
             ? static_cast<uint64_t>(content.get_as<caf::atom_value>(1))
             : 0;
}

} // namespace sotto
