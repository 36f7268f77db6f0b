#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "messages/error.hpp"
#include "messages/memory.hpp"
#include "nodes/http_types.hpp"

namespace sotto {

/// Most memories in one call.
inline constexpr size_t max_memories_a_call = 1000;

/// A request to `POST /v1/memories`: one object or an array. The memories of one call may be of
/// several users; `order[i]` says where the i-th stands: which write, which place in it.
struct remember_call {
  std::vector<memory_write> writes;
  std::vector<std::pair<size_t, size_t>> order;
  bool array = false;
};
remember_call read_remember(const nlohmann::json& body, const std::string& tenant, failure& why);

/// A request to `POST /v1/memories/search`.
memory_query read_search(const nlohmann::json& body, const std::string& tenant, failure& why);

/// A request to `GET /v1/memories?user=&limit=&after=`.
memory_page_query read_page(const std::string& query, const std::string& tenant, failure& why);

nlohmann::json remember_answer(const remember_call& call,
                               const std::vector<memory_receipt>& receipts);
nlohmann::json search_answer(const std::vector<recalled>& found);
nlohmann::json page_answer(const memory_page& page);

} // namespace sotto
