#pragma once

#include <nlohmann/json.hpp>

#include "messages/memory.hpp"

namespace sotto {

/// What a query admits: `at` (created at or before) and `where` (metadata has these values).
/// A `where` that is no JSON object admits nothing; the edge refuses it before.
class memory_filter {
public:
  explicit memory_filter(const memory_query& query) : at_(query.at) {
    if (!query.where.empty())
      where_ = nlohmann::json::parse(query.where, nullptr, false);
  }

  bool passes(const memory& x) const {
    if (at_ != 0 && x.created > at_)
      return false;
    if (where_.is_null())
      return true;
    if (!where_.is_object() || x.metadata.empty())
      return where_.is_object() && where_.empty();
    auto has = nlohmann::json::parse(x.metadata, nullptr, false);
    if (!has.is_object())
      return false;
    for (auto& [key, value] : where_.items())
      if (auto at = has.find(key); at == has.end() || *at != value)
        return false;
    return true;
  }

private:
  int64_t at_;
  nlohmann::json where_;
};

} // namespace sotto
