#include "messages/native.hpp"

#include <exception>
#include <type_traits>

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

namespace sotto {

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_hello& x) {
  return f(caf::meta::type_name("native_hello"), x.oldest, x.newest, x.version, x.key, x.tenant);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_welcome& x) {
  return f(caf::meta::type_name("native_welcome"), x.protocol, x.node, x.version, x.tenant, x.calls,
           x.frame, x.idle);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_remove& x) {
  return f(caf::meta::type_name("native_remove"), x.owner, x.id);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_forget& x) {
  return f(caf::meta::type_name("native_forget"), x.owner);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_subscribe& x) {
  return f(caf::meta::type_name("native_subscribe"), x.owner, x.conversation, x.wanted);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_resumed& x) {
  return f(caf::meta::type_name("native_resumed"), x.recovered);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_found& x) {
  return f(caf::meta::type_name("native_found"), x.memories);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_removed& x) {
  return f(caf::meta::type_name("native_removed"), x.removed);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, native_nodes& x) {
  return f(caf::meta::type_name("native_nodes"), x.addresses);
}

namespace {

/// Bodies without fields: that they came is all that they say.
template <class T>
constexpr bool holds_nothing =
    std::is_same_v<
        T,
        native_cancel> || std::is_same_v<T, native_alive> || std::is_same_v<T, native_returned> || std::is_same_v<T, native_leaving>;

template <class Body>
std::string write(const native_frame<Body>& x) {
  std::vector<char> out(native_head);
  caf::binary_serializer to{nullptr, out};
  // CAF's inspectors take what they write by reference, and leave it as it is.
  auto& from = const_cast<native_frame<Body>&>(x);
  auto kind = static_cast<uint8_t>(x.body.index());
  auto& c = from.ctx;
  auto wrong = to(kind, from.number, c.trace_hi, c.trace_lo, c.span, c.deadline, c.level, c.sampled,
                  from.level_given);
  std::visit(
      [&](auto& body) {
        if constexpr (!holds_nothing<std::decay_t<decltype(body)>>)
          wrong = wrong ? wrong : to(body);
      },
      from.body);
  auto size = static_cast<uint32_t>(out.size() - native_head);
  for (size_t i = 0; i < native_head; ++i)
    out[i] = static_cast<char>(size >> (8 * (native_head - 1 - i)));
  return {out.begin(), out.end()};
}

failure nonsense() {
  return {ec::invalid, "the frame cannot be read", {}};
}

/// Reads the body that is `kind`th in the list.
template <class Body, size_t At = 0>
bool read_body(caf::binary_deserializer& from, size_t kind, Body& to) {
  if constexpr (At == std::variant_size_v<Body>) {
    return false;
  } else {
    if (kind != At)
      return read_body<Body, At + 1>(from, kind, to);
    using one = std::variant_alternative_t<At, Body>;
    auto& body = to.template emplace<At>();
    if constexpr (!holds_nothing<one>)
      if (from(body))
        return false;
    return true;
  }
}

template <class Body>
failure read(std::string_view bytes, native_frame<Body>& to) {
  // A length beyond all memory may throw.
  try {
    caf::binary_deserializer from{nullptr, bytes.data(), bytes.size()};
    uint8_t kind = 0;
    auto& c = to.ctx;
    uint8_t level = 0;
    if (from(kind, to.number, c.trace_hi, c.trace_lo, c.span, c.deadline, level, c.sampled,
             to.level_given)
        || level >= priority_levels)
      return nonsense();
    c.level = static_cast<priority>(level);
    if (kind >= std::variant_size_v<Body>)
      return {ec::invalid, "this release does not know such a frame", {}};
    if (!read_body(from, kind, to.body) || from.remaining() != 0)
      return nonsense();
  } catch (const std::exception&) {
    return nonsense();
  }
  return {};
}

} // namespace

std::string to_bytes(const native_call_frame& x) {
  return write(x);
}

std::string to_bytes(const native_answer_frame& x) {
  return write(x);
}

uint32_t native_size(std::string_view head) {
  uint32_t size = 0;
  for (auto c : head.substr(0, native_head))
    size = size << 8 | static_cast<unsigned char>(c);
  return size;
}

failure from_bytes(std::string_view bytes, native_call_frame& to) {
  return read(bytes, to);
}

failure from_bytes(std::string_view bytes, native_answer_frame& to) {
  return read(bytes, to);
}

} // namespace sotto
