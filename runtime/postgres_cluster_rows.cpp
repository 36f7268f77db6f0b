#include "runtime/postgres_cluster_rows.hpp"

#include <cstdlib>

#include <nlohmann/json.hpp>

namespace sotto {

namespace {

/// What others wrote may be of another release: what is not understood is left out.
cluster_load read_load(std::string_view text) {
  cluster_load result;
  auto x = nlohmann::json::parse(text, nullptr, false);
  if (!x.is_object())
    return result;
  if (auto it = x.find("busy"); it != x.end() && it->is_number())
    result.busy = it->get<double>();
  if (auto it = x.find("hot"); it != x.end() && it->is_array())
    for (auto& y : *it)
      if (y.is_array() && y.size() == 2 && y[0].is_number_unsigned() && y[1].is_number())
        result.hottest.push_back({y[0].get<uint32_t>(), y[1].get<double>()});
  return result;
}

std::vector<std::string> split(std::string_view x) {
  std::vector<std::string> result;
  while (!x.empty()) {
    auto comma = x.find(',');
    result.emplace_back(x.substr(0, comma));
    x = comma == x.npos ? std::string_view{} : x.substr(comma + 1);
  }
  return result;
}

} // namespace

std::string text_of(const cluster_load& load) {
  auto hot = nlohmann::json::array();
  for (auto& x : load.hottest)
    hot.push_back({x.partition, x.busy});
  return nlohmann::json{{"busy", load.busy}, {"hot", std::move(hot)}}.dump();
}

cluster_member read_member(const postgres::result& from, int row) {
  cluster_member x;
  x.name = from.text(row, 0);
  x.incarnation = from.text(row, 1);
  x.http = from.text(row, 2);
  x.link = from.text(row, 3);
  x.roles = split(from.text(row, 4));
  x.capacity = std::strtod(std::string{from.text(row, 5)}.c_str(), nullptr);
  x.version = from.text(row, 6);
  x.protocol = static_cast<uint32_t>(from.number(row, 7));
  x.draining = from.number(row, 8) != 0;
  x.load = read_load(from.text(row, 9));
  x.lease_left = from.number(row, 10);
  x.live = x.lease_left > 0;
  x.native = from.text(row, 11);
  return x;
}

partition_row read_partition(const postgres::result& from, int row) {
  return {static_cast<uint32_t>(from.number(row, 0)),
          std::string{from.text(row, 1)},
          std::string{from.text(row, 2)},
          static_cast<uint64_t>(from.number(row, 3)),
          std::string{from.text(row, 4)},
          from.number(row, 5)};
}

postgres::parameters& add(postgres::parameters& to, std::span<const partition_epoch> partitions) {
  std::vector<int64_t> numbers, epochs;
  for (auto& x : partitions) {
    numbers.push_back(x.number);
    epochs.push_back(static_cast<int64_t>(x.epoch));
  }
  return to.numbers(numbers).numbers(epochs);
}

} // namespace sotto
