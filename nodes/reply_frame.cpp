#include "nodes/reply_frame.hpp"

#include "nodes/json_output.hpp"
#include "nodes/msgpack_writer.hpp"

namespace sotto {

namespace {

// Of every turn: written at once, as a tree costs several times as much as the text.
template <class Sink>
std::string write(Sink to, const nlohmann::json& id, const std::string& trace, const turn_reply& x,
                  std::optional<priority> lowered) {
  to.begin_object();
  to.key("body");
  to.begin_object();
  describe_details(to, x);
  fields(to, "text", x.text, "model", x.model, "finish_reason", x.finish_reason);
  if (lowered)
    fields(to, "priority", to_string(*lowered));
  to.end_object();
  to.key("id");
  if (id.is_string())
    to.value(id.get_ref<const std::string&>());
  else
    to.raw(dump(id));
  fields(to, "trace", trace, "type", "reply");
  to.end_object();
  return to.take();
}

} // namespace

std::string reply_frame(const nlohmann::json& id, const std::string& trace, const turn_reply& x,
                        std::optional<priority> lowered, frontend_format format) {
  if (format == frontend_format::msgpack)
    return write(msgpack_text{}, id, trace, x, lowered);
  constexpr size_t about = 2048;
  return write(json_text{about}, id, trace, x, lowered);
}

} // namespace sotto
