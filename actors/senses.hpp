#pragma once

#include "actors/emotion_engine.hpp"
#include "actors/sentence_embedder.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

struct emotion_state {
  static inline const char* name = "emotion";
};

/// EMOTION. Without an engine every text is refused with `ec::unavailable`.
emotion_actor::behavior_type emotion(actor_of<emotion_actor, emotion_state>* self,
                                     std::shared_ptr<const emotion_engine> engine);

struct embedding_state {
  static inline const char* name = "embedding";
};

/// EMBEDDING, with the built-in sentence embedder. Without one every text is refused with
/// `ec::unavailable`.
embedding_actor::behavior_type embedding(actor_of<embedding_actor, embedding_state>* self,
                                         std::shared_ptr<const sentence_embedder> engine);

struct topics_state {
  static inline const char* name = "topics";
};

/// TOPICS: work, personal, learning, health and tech, by their words.
analyser_actor::behavior_type topics(actor_of<analyser_actor, topics_state>* self);

/// The core of TOPICS: the topics of a text, each once, in the order above.
std::vector<std::string> topics_of(std::string_view text);

} // namespace sotto
