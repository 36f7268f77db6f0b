#include "config/store_url.hpp"

#include <algorithm>

#include "config/rules.hpp"

namespace sotto {

namespace {

constexpr std::string_view embedded = "sqlite:";

} // namespace

bool is_store_url(std::string_view x) {
  auto postgres = x.starts_with("postgresql://") || x.starts_with("postgres://");
  return (postgres || x.starts_with(embedded)) && rule::is_text(x);
}

bool is_schema(std::string_view x) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  auto right = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !x.empty() && x.size() < 64 && letter(x[0]) && std::all_of(x.begin(), x.end(), right)
         && !x.starts_with("pg_");
}

void place_store(store_options& x, std::string_view url, std::string_view data) {
  auto path = url.starts_with(embedded) ? url.substr(embedded.size()) : std::string_view{};
  x.url = url.starts_with(embedded) ? std::string_view{} : url;
  x.folder = path.empty() ? data : path;
}

} // namespace sotto
