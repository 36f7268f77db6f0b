#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "messages/context.hpp"
#include "messages/emotion.hpp"
#include "messages/memory.hpp"

namespace sotto {

/// One message of a prompt, as the OpenAI chat API has it.
struct chat_message {
  /// `system`, `user` or `assistant`.
  std::string role;
  std::string content;
};

struct token_usage {
  uint32_t prompt = 0;
  uint32_t completion = 0;
};

class turn_slot;

/// What a frontend asks of a session: answer `text`, said by `speaker`.
struct turn_request {
  /// The owner of the memory; an empty owner means that nothing is recalled or remembered.
  owner_key owner;
  /// The conversation within the owner; turns of one conversation run in order of arrival.
  std::string conversation;
  std::string speaker;
  /// In a group: the user who speaks, whatever they are called there.
  std::string author;
  /// Name of the persona that answers.
  std::string persona;
  std::string text;
  /// The context that the frontend brought; where there is none, the session's own is used.
  std::vector<chat_message> history;
  /// A JSON object as text: generation parameters given by the client (temperature, max_tokens,
  /// ...), which go before the persona's own.
  std::string parameters;
  /// The same key again attaches to the running turn or gets the stored reply; may be empty.
  std::string idempotency_key;
  bool stream = false;
  /// A stream that was cut and is taken up again: the text is wanted from this byte of the reply
  /// on; negative: from its beginning, and no word about it.
  int64_t resume_from = -1;
  /// The level that the frontend gave; where it gave none, ADMISSION decides by `turn_level`.
  priority level = priority::normal;
  bool level_given = false;
  /// Set by ADMISSION; stays within the process.
  std::shared_ptr<turn_slot> slot;
};

/// A piece of a reply's text. `offset` is where it begins in the whole text (bytes), so that a
/// stream that was cut can be taken up again wherever it ended.
struct stream_piece {
  uint64_t offset = 0;
  std::string text;
};

/// A finished turn.
struct turn_reply {
  std::string text;
  /// What generated the text, e.g. `builtin` or the provider's own name of its model.
  std::string model;
  /// `stop`, `length` or `content_filter`.
  std::string finish_reason = "stop";
  token_usage usage;
  emotion_reading emotion;
  std::vector<recalled> memories;
  /// What the text is about.
  std::vector<std::string> topics;
  /// What other analysers found, by their names; those that found nothing are left out.
  std::map<std::string, std::vector<std::string>> analyses;
  /// Names of the parts that failed or were late.
  std::vector<std::string> degraded;
  /// Both lines of the turn are durable.
  bool memory_stored = false;
  /// The turn had begun before the node ended, and was run again from its beginning.
  bool restarted = false;
  /// At which level it ran.
  priority level = priority::normal;
  /// Nanoseconds from the session's start of the turn to its end.
  int64_t duration = 0;
};

/// What a session asks of a language model.
struct generation {
  /// Equal prompts of two tenants are never answered together.
  std::string tenant;
  /// Deployments in order of preference; none means the builtin responder.
  std::vector<std::string> deployments;
  /// Overrides the deployment's model (pass-through); may be empty.
  std::string model;
  std::string persona;
  std::vector<chat_message> messages;
  /// A JSON object as text with generation parameters.
  std::string parameters;
  bool stream = false;
  /// For the builtin responder, which answers from what was recalled and felt.
  emotion_reading emotion;
  std::vector<recalled> memories;
};

/// A finished generation.
struct completion {
  std::string text;
  std::string model;
  std::string finish_reason = "stop";
  token_usage usage;
  /// Which deployment answered; `builtin` for the builtin responder.
  std::string deployment;
  /// Deployments of higher preference that failed before, by name.
  std::vector<std::string> failed;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, chat_message& x) {
  return f(caf::meta::type_name("chat_message"), x.role, x.content);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, token_usage& x) {
  return f(caf::meta::type_name("token_usage"), x.prompt, x.completion);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, turn_request& x) {
  return f(caf::meta::type_name("turn_request"), x.owner, x.conversation, x.speaker, x.author,
           x.persona, x.text, x.history, x.parameters, x.idempotency_key, x.stream, x.resume_from,
           x.level, x.level_given);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, stream_piece& x) {
  return f(caf::meta::type_name("stream_piece"), x.offset, x.text);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, turn_reply& x) {
  return f(caf::meta::type_name("turn_reply"), x.text, x.model, x.finish_reason, x.usage, x.emotion,
           x.memories, x.topics, x.analyses, x.degraded, x.memory_stored, x.restarted, x.level,
           x.duration);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, generation& x) {
  return f(caf::meta::type_name("generation"), x.tenant, x.deployments, x.model, x.persona,
           x.messages, x.parameters, x.stream, x.emotion, x.memories);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, completion& x) {
  return f(caf::meta::type_name("completion"), x.text, x.model, x.finish_reason, x.usage,
           x.deployment, x.failed);
}

} // namespace sotto
