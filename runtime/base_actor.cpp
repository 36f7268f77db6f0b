#include "runtime/base_actor.hpp"

#include <typeinfo>

#include <caf/send.hpp>
#include <cxxabi.h>
#include <fmt/format.h>
#include <prometheus/counter.h>

#include "runtime/logging.hpp"
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
  if (!client)
    return false; // a handler took it: it is in good hands
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

/// Whether both messages name the same client and ticket.
template <class Client>
bool same_call(caf::type_erased_tuple& x, caf::type_erased_tuple& y) {
  return x.match_element<Client>(2) && y.match_element<Client>(2)
         && x.get_as<Client>(2) == y.get_as<Client>(2);
}

/// The type of the exception that is being caught.
std::string thrown_type() {
  auto* type = abi::__cxa_current_exception_type();
  if (!type)
    return "nothing known";
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> text{
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free};
  return status == 0 && text ? text.get() : type->name();
}

} // namespace

bool cancels(caf::mailbox_element& x, caf::mailbox_element& y) {
  auto& cancel = x.content();
  auto& call = y.content();
  if (cancel.size() < 4 || call.size() < 5 || !cancel.match_element<uint64_t>(3)
      || !call.match_element<uint64_t>(3) || cancel.get_as<uint64_t>(3) != call.get_as<uint64_t>(3)
      || !(same_call<turn_client_actor>(cancel, call) || same_call<llm_client_actor>(cancel, call)))
    return false;
  auto last = cancel.size() - 1;
  auto lost = cancel.match_element<bool>(last) && cancel.get_as<bool>(last);
  // A turn with a key goes on for who asks again.
  return !lost || !call.match_element<turn_request>(4)
         || call.get_as<turn_request>(4).idempotency_key.empty();
}

failure failed_within(const char* actor) {
  return {ec::internal, fmt::format("the node's {} failed while it worked on this", actor), {}};
}

void note_failure(node_services& services, const char* actor, uint64_t verb) noexcept {
  try {
    auto type = thrown_type();
    prometheus::BuildCounter()
        .Name("sotto_actor_failures_total")
        .Help("Messages whose handler failed in a way that nobody foresaw, by the receiver's type")
        .Register(services.metrics)
        .Add({{"actor", actor}})
        .Increment();
    // Not what it says: that may be a user's words.
    auto at = verb == 0 ? std::string{} : " at " + to_string(static_cast<caf::atom_value>(verb));
    warn_seldom(fmt::format("failed {}", actor), fmt::format("{} failed{}: {}", actor, at, type));
  } catch (...) { // there is no memory to tell it with
  }
}

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
