// What the node's recorder still has of a flow: `Sotto-Trace` of an answer names it.
#include "nodes/connection.hpp"
#include "nodes/json_output.hpp"
#include "nodes/trace_api.hpp"

namespace sotto {

void connection_state::traces(const http_call& call) {
  auto& flows = self_->services().flows;
  clock_pair now{self_->nanos(), self_->unix_micros()};
  if (call.path == traces_path) { // of all tenants: `access` lets none but an operator in
    failure why;
    auto limit = read_trace_limit(call.query, why);
    return why ? refuse(why) : answer(list_traces(flows.find(0, 0), limit, now));
  }
  auto id = std::string_view{call.path}.substr(trace_prefix.size());
  auto wanted = read_trace_id(id);
  if (!wanted)
    return refuse({ec::invalid, "a trace is named by 32 hex digits, as Sotto-Trace has them", {}});
  auto records = flows.find(wanted->first, wanted->second);
  // A frontend may give any trace id it likes, another's too.
  std::erase_if(records, [&, mine = tenant_number(who_.tenant)](auto& x) {
    return !who_.admin && x.ctx.tenant != mine;
  });
  if (records.empty())
    return refuse({ec::not_found,
                   "this node has no record of the trace: it keeps its latest messages only, and "
                   "none of other nodes",
                   {}});
  answer(to_json_value(std::move(records), now));
}

} // namespace sotto
