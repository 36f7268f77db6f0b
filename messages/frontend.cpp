#include "messages/frontend.hpp"

#include <msgpack.hpp>
#include <utf8.h>

#include "messages/json_input.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

constexpr size_t max_items = 65'536;
constexpr size_t max_name = 64;
constexpr int64_t max_deadline_ms = 3'600'000;

bool is_utf8(const char* bytes, size_t size) {
  return utf8::is_valid(bytes, bytes + size);
}

/// The depth was bounded when the bytes were unpacked.
json convert(const msgpack::object& x, failure& why) {
  switch (x.type) {
  case msgpack::type::NIL:
    return nullptr;
  case msgpack::type::BOOLEAN:
    return x.via.boolean;
  case msgpack::type::POSITIVE_INTEGER:
    return x.via.u64;
  case msgpack::type::NEGATIVE_INTEGER:
    return x.via.i64;
  case msgpack::type::FLOAT32:
  case msgpack::type::FLOAT64:
    return x.via.f64;
  case msgpack::type::STR:
    if (!is_utf8(x.via.str.ptr, x.via.str.size))
      why = {ec::invalid, "a string is not UTF-8", {}};
    return why ? json{} : json(std::string{x.via.str.ptr, x.via.str.size});
  case msgpack::type::ARRAY: {
    auto result = json::array();
    for (uint32_t i = 0; i < x.via.array.size && !why; ++i)
      result.push_back(convert(x.via.array.ptr[i], why));
    return result;
  }
  case msgpack::type::MAP: {
    auto result = json::object();
    for (uint32_t i = 0; i < x.via.map.size && !why; ++i) {
      auto& [key, value] = x.via.map.ptr[i];
      if (key.type != msgpack::type::STR || !is_utf8(key.via.str.ptr, key.via.str.size)) {
        why = {ec::invalid, "the keys of maps must be UTF-8 strings", {}};
        break;
      }
      result[std::string{key.via.str.ptr, key.via.str.size}] = convert(value, why);
    }
    return result;
  }
  default:
    why = {ec::invalid, "binary data and extension types are not understood here", {}};
    return nullptr;
  }
}

struct string_sink {
  std::string text;
  void write(const char* data, size_t size) { text.append(data, size); }
};

void pack(msgpack::packer<string_sink>& to, const json& x) {
  switch (x.type()) {
  case json::value_t::boolean:
    to.pack(x.get<bool>());
    break;
  case json::value_t::number_integer:
    to.pack(x.get<int64_t>());
    break;
  case json::value_t::number_unsigned:
    to.pack(x.get<uint64_t>());
    break;
  case json::value_t::number_float:
    to.pack(x.get<double>());
    break;
  case json::value_t::string: {
    auto& s = x.get_ref<const std::string&>();
    to.pack_str(static_cast<uint32_t>(s.size()))
        .pack_str_body(s.data(), static_cast<uint32_t>(s.size()));
    break;
  }
  case json::value_t::array:
    to.pack_array(static_cast<uint32_t>(x.size()));
    for (auto& y : x)
      pack(to, y);
    break;
  case json::value_t::object:
    to.pack_map(static_cast<uint32_t>(x.size()));
    for (auto& [key, value] : x.items()) {
      pack(to, json(key));
      pack(to, value);
    }
    break;
  default:
    to.pack_nil();
  }
}

} // namespace

std::string_view subprotocol(frontend_format format) {
  return format == frontend_format::json ? "sotto.json.v1" : "sotto.msgpack.v1";
}

json parse_msgpack(std::string_view bytes, failure& why) {
  try {
    size_t offset = 0;
    auto limit = msgpack::unpack_limit{max_items,    max_items,    bytes.size(),
                                       bytes.size(), bytes.size(), max_json_depth};
    auto handle = msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr, limit);
    if (offset != bytes.size()) {
      why = {ec::invalid, "there are bytes behind the msgpack value", {}};
      return nullptr;
    }
    auto result = convert(handle.get(), why);
    return why ? json{} : result;
  } catch (const msgpack::insufficient_bytes&) {
    why = {ec::invalid, "the msgpack value is cut short", {}};
  } catch (const msgpack::size_overflow&) {
    why = {ec::invalid, "the msgpack value is nested too deep or has too many items", {}};
  } catch (const std::exception&) {
    why = {ec::invalid, "the frame is not valid msgpack", {}};
  }
  return nullptr;
}

std::string to_msgpack(const json& value) {
  string_sink sink;
  msgpack::packer<string_sink> to{sink};
  pack(to, value);
  return std::move(sink.text);
}

frontend_call read_call(std::string_view frame, frontend_format format, failure& why) {
  auto envelope =
      format == frontend_format::json ? parse_json(frame, why) : parse_msgpack(frame, why);
  frontend_call call;
  if (why)
    return call;
  field_reader fields{envelope, why};
  if (auto* id = fields.find("id")) {
    if (id->is_string() || id->is_number_integer())
      call.id = *id;
    else
      fields.refuse("id", "must be a string or a whole number");
  } else {
    fields.refuse("id", "is required");
  }
  call.to = fields.text("to", max_name);
  call.type = fields.text("type", max_name, true);
  if (auto name = fields.text("priority", max_name); !name.empty()) {
    auto level = priority_from(name);
    call.level_given = level.has_value();
    if (level)
      call.level = *level;
    else
      fields.refuse("priority", "must be critical, high, normal, low or background");
  }
  call.deadline_ms = fields.integer("deadline_ms", 0, max_deadline_ms).value_or(0);
  call.trace = fields.text("trace", 256);
  if (!call.trace.empty() && !context_from_traceparent(call.trace))
    fields.refuse("trace", "must be a W3C traceparent");
  if (auto* body = fields.find("body"))
    call.body = *body;
  else
    call.body = json::object();
  if (!why && !call.body.is_object())
    fields.refuse("body", "must be an object");
  return call;
}

std::string write_answer(const json& id, std::string_view type, std::string_view trace, json body,
                         frontend_format format) {
  json answer{{"id", id}, {"type", type}, {"trace", trace}, {"body", std::move(body)}};
  if (format == frontend_format::msgpack)
    return to_msgpack(answer);
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

json error_body(const failure& why) {
  json body{{"message", why.message},
            {"type", classify(why.code).type},
            {"code", to_string(why.code)},
            {"param", why.param.empty() ? json{} : json(why.param)}};
  if (why.retry_after > 0)
    body["retry_after"] = why.retry_after;
  return body;
}

} // namespace sotto
