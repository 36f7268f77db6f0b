#pragma once

#include "actors/emotion_engine.hpp"
#include "actors/sentence_embedder.hpp"
#include "runtime/batcher.hpp"
#include "runtime/batching.hpp"

namespace sotto {

/// How records and logs call the batcher of an interface.
template <class Handle>
inline constexpr const char* batcher_name = "batcher";
template <>
inline constexpr const char* batcher_name<emotion_actor> = "emotion";
template <>
inline constexpr const char* batcher_name<embedding_actor> = "embedding";
template <>
inline constexpr const char* batcher_name<analyser_actor> = "analyser";

/// An actor that batches one operation, and its state.
template <class Handle, class In, class Out>
struct batching_state {
  static inline const char* name = batcher_name<Handle>;
  using actor = actor_of<batching<Handle>, batching_state>;

  batcher<actor*, batching<Handle>, In, Out> work;
};

using emotion_state = batching_state<emotion_actor, std::string, emotion_reading>;
using embedding_state = batching_state<embedding_actor, std::string, std::vector<float>>;
using analyser_state = batching_state<analyser_actor, std::string, std::vector<std::string>>;

using emotion_operation = operation<std::string, emotion_reading>;
using embedding_operation = operation<std::string, std::vector<float>>;
using analyser_operation = operation<std::string, std::vector<std::string>>;

/// What EMOTION does. Without an engine every text is refused with `ec::unavailable`. How readings
/// are written (`write`) is for the caller to set.
emotion_operation emotion_work(const std::shared_ptr<const emotion_engine>& engine);

/// What EMBEDDING does with the built-in sentence embedder; the same holds without one.
embedding_operation embedding_work(const std::shared_ptr<const sentence_embedder>& engine);

/// What TOPICS does: work, personal, learning, health and tech, by their words.
analyser_operation topics_work();

/// EMOTION, EMBEDDING and analysers: batchers of their operations.
batching<emotion_actor>::behavior_type emotion(emotion_state::actor* self, emotion_operation what,
                                               std::shared_ptr<const work_places> places);
batching<embedding_actor>::behavior_type embedding(embedding_state::actor* self,
                                                   embedding_operation what,
                                                   std::shared_ptr<const work_places> places);
batching<analyser_actor>::behavior_type analyser(analyser_state::actor* self,
                                                 analyser_operation what,
                                                 std::shared_ptr<const work_places> places);

/// The core of TOPICS: the topics of a text, each once, in the order above.
std::vector<std::string> topics_of(std::string_view text);

} // namespace sotto
