#pragma once

#include <memory>
#include <vector>

#include "actors/emotion_engine.hpp"
#include "actors/provider_embedding.hpp"
#include "actors/senses.hpp"
#include "actors/sentence_embedder.hpp"
#include "actors/session.hpp"
#include "actors/shard.hpp"
#include "nodes/gateway.hpp"
#include "nodes/node_frame.hpp"

namespace sotto {

/// What a node's sessions and shards understand texts with: emotion, embeddings, analysers.
class node_senses {
public:
  /// Reads the data files. What is not there is told in the log, and the node runs without.
  void load(const options& with);

  /// Starts EMOTIONs and EMBEDDINGs and tells the gateway of them.
  void start(node_frame& in, const std::shared_ptr<const work_places>& places, gateway_handles& to);

  /// What the `i`th share of the sessions is made of, with analysers of its own.
  /// `memory` is what all of them hold.
  std::shared_ptr<const session_parts>
  parts(node_frame& in, const std::shared_ptr<const work_places>& places, const gateway_handles& to,
        std::shared_ptr<memory_account> memory, uint32_t i) const;

  /// The built-in embedder where vectors are not a provider's; may be empty.
  const embed_function& embed() const { return embed_; }

  /// What shards embed with.
  shard_embedder embedder() const;

  /// Lets go of all actors.
  void stop();

private:
  embedding_operation embedding_operation_of(node_frame& in);

  std::shared_ptr<const emotion_engine> emotion_engine_;
  std::shared_ptr<const sentence_embedder> embedder_;
  embed_function embed_;
  std::vector<emotion_actor> emotions_;
  std::vector<embedding_actor> embeddings_;
  provider_embedding_actor provider_;
};

} // namespace sotto
