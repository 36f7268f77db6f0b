#include "messages/registration.hpp"

#include <caf/actor_system_config.hpp>

#include "messages/actors.hpp"
#include "messages/events.hpp"
#include "messages/link.hpp"

namespace sotto {

void register_messages(caf::actor_system_config& cfg) {
  cfg.add_message_type<context>("context")
      .add_message_type<failure>("failure")
      .add_message_type<emotion_reading>("emotion_reading")
      .add_message_type<std::vector<emotion_reading>>("emotion_readings")
      .add_message_type<owner_key>("owner_key")
      .add_message_type<memory>("memory")
      .add_message_type<std::vector<memory>>("memories")
      .add_message_type<memory_query>("memory_query")
      .add_message_type<memory_write>("memory_write")
      .add_message_type<memory_receipt>("memory_receipt")
      .add_message_type<memory_page_query>("memory_page_query")
      .add_message_type<memory_page>("memory_page")
      .add_message_type<forget_receipt>("forget_receipt")
      .add_message_type<spoken_by>("spoken_by")
      .add_message_type<spoken_receipt>("spoken_receipt")
      .add_message_type<stream_piece>("stream_piece")
      .add_message_type<turn_opening>("turn_opening")
      .add_message_type<turn_found>("turn_found")
      .add_message_type<turn_record>("turn_record")
      .add_message_type<summary_record>("summary_record")
      .add_message_type<conversation_end>("conversation_end")
      .add_message_type<std::vector<recalled>>("recollection")
      .add_message_type<store_write>("store_write")
      .add_message_type<turn_request>("turn_request")
      .add_message_type<turn_reply>("turn_reply")
      .add_message_type<generation>("generation")
      .add_message_type<completion>("completion")
      .add_message_type<std::vector<float>>("vector")
      .add_message_type<std::vector<std::vector<float>>>("vectors")
      .add_message_type<std::vector<std::string>>("texts")
      .add_message_type<session_event>("session_event")
      .add_message_type<subscription>("subscription")
      .add_message_type<link_hello>("link_hello")
      .add_message_type<std::vector<link_frame>>("link_frames")
      .add_message_type<event_client_actor>("event_client_actor")
      .add_message_type<turn_client_actor>("turn_client_actor")
      .add_message_type<llm_client_actor>("llm_client_actor")
      .add_message_type<store_client_actor>("store_client_actor")
      .add_message_type<shard_actor>("shard_actor");
}

} // namespace sotto
