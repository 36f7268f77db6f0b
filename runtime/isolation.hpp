#pragma once

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include "runtime/operation.hpp"

namespace sotto {

/// Bytes between a node and its child processes, which are of the same build.
namespace frames {

template <class... Ts>
std::string pack(const Ts&... xs) {
  std::vector<char> bytes;
  caf::binary_serializer to{nullptr, bytes};
  // CAF serializes through references to what might change; this direction changes nothing.
  (to(const_cast<Ts&>(xs)), ...);
  return {bytes.begin(), bytes.end()};
}

/// False where the bytes are something else.
template <class... Ts>
bool unpack(std::string_view bytes, Ts&... xs) {
  std::vector<char> copy{bytes.begin(), bytes.end()};
  caf::binary_deserializer from{nullptr, copy};
  return (!from(xs) && ...);
}

} // namespace frames

/// Lets an operation run in a child process.
template <class In, class Out>
void allow_isolation(operation<In, Out>& what) {
  using results = typename operation<In, Out>::results;
  what.encode = [](const std::vector<In>& items) { return frames::pack(items); };
  what.decode = [](std::string_view bytes) -> std::variant<results, failure> {
    std::vector<Out> values;
    std::vector<failure> whys;
    failure whole;
    if (!frames::unpack(bytes, whole, values, whys) || values.size() != whys.size())
      return failure{ec::internal, "the child process answered with something else", {}};
    if (whole)
      return whole;
    results all;
    for (size_t i = 0; i < values.size(); ++i) {
      auto& x = all.emplace_back();
      if (whys[i])
        x.template emplace<failure>(std::move(whys[i]));
      else
        x.template emplace<Out>(std::move(values[i]));
    }
    return all;
  };
}

/// What a child process does with a frame.
using frame_handler = std::function<std::string(std::string_view)>;

template <class In, class Out>
frame_handler serve_frames(const operation<In, Out>& what) {
  return [what](std::string_view frame) {
    std::vector<In> items;
    std::vector<Out> values;
    std::vector<failure> whys;
    if (!frames::unpack(frame, items))
      return frames::pack(failure{ec::internal, "the node sent something else", {}}, values, whys);
    std::vector<const In*> views;
    views.reserve(items.size());
    for (auto& x : items)
      views.push_back(&x);
    auto outcome = guarded(what, std::span<const In* const>{views});
    if (auto* why = std::get_if<failure>(&outcome))
      return frames::pack(*why, values, whys);
    for (auto& x : std::get<0>(outcome)) {
      auto* good = std::get_if<Out>(&x);
      values.push_back(good ? std::move(*good) : Out{});
      whys.push_back(good ? failure{} : std::get<failure>(std::move(x)));
    }
    return frames::pack(failure{}, values, whys);
  };
}

} // namespace sotto
