#include "nodes/json_output.hpp"

#include "messages/frontend.hpp"
#include "messages/time_text.hpp"
#include "nodes/msgpack_writer.hpp"

namespace sotto {

namespace {

using json = nlohmann::json;

template <class Sink, class Items>
void list(Sink& to, std::string_view name, const Items& items) {
  to.key(name);
  to.begin_array();
  for (auto& x : items)
    to.value(x);
  to.end_array();
}

} // namespace

template <class Sink>
void describe(Sink& to, const emotion_reading& x) {
  to.begin_object();
  fields(to, "primary", x.primary, "intensity", x.intensity, "confidence", x.confidence, "valence",
         x.valence, "arousal", x.arousal, "dominance", x.dominance, "neg", x.neg, "neu", x.neu,
         "pos", x.pos, "compound", x.compound);
  to.key("mixed");
  to.begin_array();
  for (auto& y : x.mixed) {
    to.begin_object();
    fields(to, "emotion", y.category, "intensity", y.intensity);
    to.end_object();
  }
  to.end_array();
  to.end_object();
}

namespace {

template <class Sink>
void memory_fields(Sink& to, const memory& x) {
  fields(to, "id", x.id, "text", x.text, "speaker", x.speaker, "conversation", x.conversation,
         "created", rfc3339(x.created));
  to.key("metadata");
  // Checked when it came in; what a damaged store gives back is still no reason for a broken reply.
  to.raw(!x.metadata.empty() && json::accept(x.metadata) ? std::string_view{x.metadata} : "{}");
}

} // namespace

template <class Sink>
void describe(Sink& to, const memory& x) {
  to.begin_object();
  memory_fields(to, x);
  to.end_object();
}

template <class Sink>
void describe(Sink& to, const recalled& x) {
  to.begin_object();
  memory_fields(to, x.what);
  fields(to, "score", x.score, "why", x.why);
  to.end_object();
}

template <class Sink>
void describe_details(Sink& to, const turn_reply& x) {
  to.key("emotion");
  describe(to, x.emotion);
  to.key("memories");
  to.begin_array();
  for (auto& y : x.memories)
    describe(to, y);
  to.end_array();
  list(to, "topics", x.topics);
  to.key("analyses");
  to.begin_object();
  for (auto& [name, labels] : x.analyses)
    list(to, name, labels);
  to.end_object();
  list(to, "degraded", x.degraded);
  fields(to, "memory_stored", x.memory_stored, "level", to_string(x.level));
  if (x.restarted)
    fields(to, "restarted", true);
}

template void describe(json_text&, const emotion_reading&);
template void describe(json_tree&, const emotion_reading&);
template void describe(json_text&, const memory&);
template void describe(json_tree&, const memory&);
template void describe(json_text&, const recalled&);
template void describe(json_tree&, const recalled&);
template void describe_details(json_text&, const turn_reply&);
template void describe_details(msgpack_text&, const turn_reply&);

json to_json_value(const forget_receipt& x) {
  return {{"user", x.owner.owner}, {"memories", x.memories}, {"forgotten", rfc3339(x.at)}};
}

json to_json_value(const reembed_progress& x) {
  constexpr const char* names[]{"idle", "running", "done", "stopped"};
  json body{{"state", names[static_cast<size_t>(x.at)]},
            {"users", x.owners},
            {"embedded", x.embedded},
            {"left", x.left}};
  if (!x.why.empty())
    body["error"] = x.why;
  return body;
}

std::string dump(const json& x) {
  return x.dump(-1, ' ', false, json::error_handler_t::replace);
}

http_answer error_answer(const failure& why) {
  http_answer result;
  result.status = classify(why.code).status;
  result.body = dump({{"error", error_body(why)}});
  if (result.status == 429 || result.status == 503)
    result.headers.emplace_back("Retry-After", std::to_string(std::max(why.retry_after, 1U)));
  return result;
}

} // namespace sotto
