#pragma once

#include "nodes/gateway.hpp"
#include "nodes/node_frame.hpp"

namespace sotto {

/// Starts who generates for this node's conversations, and tells the gateway of them: LLM SCHEDULER
/// where the node has the role llm, else LLM ROUTE.
void start_models(node_frame& in, gateway_handles& to);

} // namespace sotto
