// Values in the formats of PostgreSQL's protocol.
#include <bit>

#include <libpq-fe.h>

#include "runtime/postgres.hpp"

namespace sotto::postgres {

namespace {

// Type numbers of PostgreSQL, the same in every release (catalog/pg_type.dat).
constexpr Oid bool_type = 16, bytea_type = 17, int8_type = 20, text_type = 25, float8_type = 701,
              bytea_array = 1001, text_array = 1009, int8_array = 1016;

template <class T>
void append(std::string& to, T x) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8)
    to += static_cast<char>(x >> shift & 0xff);
}

uint64_t big_endian(std::string_view x) {
  uint64_t out = 0;
  for (auto c : x)
    out = out << 8 | static_cast<uint8_t>(c);
  return out;
}

/// The head of an array of one dimension in binary format.
std::string array_head(size_t size, Oid element, bool nulls) {
  std::string out;
  append(out, uint32_t{size == 0 ? 0U : 1U});
  append(out, uint32_t{nulls});
  append(out, uint32_t{element});
  if (size > 0) {
    append(out, static_cast<uint32_t>(size));
    append(out, uint32_t{1});
  }
  return out;
}

template <class Texts>
std::string text_elements(const Texts& x, Oid element, bool nulls) {
  auto out = array_head(x.size(), element, nulls);
  for (std::string_view value : x) {
    if (nulls && !value.data()) {
      append(out, ~uint32_t{0});
      continue;
    }
    append(out, static_cast<uint32_t>(value.size()));
    out += value;
  }
  return out;
}

} // namespace

parameters& parameters::add(std::optional<std::string> value, unsigned type, int format) {
  values_.push_back(std::move(value));
  types_.push_back(type);
  formats_.push_back(format);
  return *this;
}

parameters& parameters::text(std::string_view x) {
  return add(std::string{x}, 0, 0);
}

parameters& parameters::number(int64_t x) {
  std::string out;
  append(out, static_cast<uint64_t>(x));
  return add(std::move(out), int8_type, 1);
}

parameters& parameters::real(double x) {
  std::string out;
  append(out, std::bit_cast<uint64_t>(x));
  return add(std::move(out), float8_type, 1);
}

parameters& parameters::flag(bool x) {
  return add(std::string(1, x ? '\1' : '\0'), bool_type, 1);
}

parameters& parameters::bytes(std::string_view x) {
  return add(std::string{x}, bytea_type, 1);
}

parameters& parameters::null() {
  return add(std::nullopt, 0, 0);
}

parameters& parameters::numbers(std::span<const int64_t> x) {
  auto out = array_head(x.size(), int8_type, false);
  for (auto value : x) {
    append(out, uint32_t{8});
    append(out, static_cast<uint64_t>(value));
  }
  return add(std::move(out), int8_array, 1);
}

parameters& parameters::byte_strings(std::span<const std::string_view> x) {
  return add(text_elements(x, bytea_type, false), bytea_array, 1);
}

parameters& parameters::byte_strings_or_null(std::span<const std::string_view> x) {
  return add(text_elements(x, bytea_type, true), bytea_array, 1);
}

parameters& parameters::texts(std::span<const std::string> x) {
  return add(text_elements(x, text_type, false), text_array, 1);
}

result::result(PGresult* rows, failure why, std::string state)
    : rows_(rows), why_(std::move(why)), state_(std::move(state)) {}

void result::clear::operator()(PGresult* x) const {
  PQclear(x);
}

int result::rows() const {
  return PQntuples(rows_.get());
}

std::string_view result::tag() const {
  return rows_ ? PQcmdStatus(rows_.get()) : "";
}

bool result::null(int row, int column) const {
  return PQgetisnull(rows_.get(), row, column) != 0;
}

std::string_view result::text(int row, int column) const {
  return {PQgetvalue(rows_.get(), row, column),
          static_cast<size_t>(PQgetlength(rows_.get(), row, column))};
}

int64_t result::changed() const {
  return std::strtoll(PQcmdTuples(rows_.get()), nullptr, 10);
}

int64_t result::number(int row, int column) const {
  auto x = text(row, column);
  if (PQfformat(rows_.get(), column) == 0)
    return x == "t" ? 1 : std::strtoll(x.data(), nullptr, 10);
  auto bits = big_endian(x);
  if (x.size() == 4)
    return static_cast<int32_t>(bits);
  return x.size() == 2 ? static_cast<int16_t>(bits) : static_cast<int64_t>(bits);
}

} // namespace sotto::postgres
