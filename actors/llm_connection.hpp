#pragma once

#include <memory>

#include "actors/sse_parser.hpp"
#include "config/llm_options.hpp"
#include "messages/turn.hpp"
#include "runtime/base_actor.hpp"
#include "runtime/http_client.hpp"

namespace sotto {

/// What the reactor tells an LLM CONNECTION of its post. Stays within the process.
struct upstream_event {
  enum class kind : uint8_t { head, piece, end, error };
  kind what = kind::head;
  http_head head;
  std::string piece;
  failure why;
};

} // namespace sotto

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sotto::upstream_event)

namespace sotto {

/// LLM CONNECTION as the reactor sees it.
using llm_connection_actor = llm_actor::extend<
    // Control: of the post `number`.
    caf::reacts_to<context, atom::request, uint64_t, upstream_event>>;

/// LLM CONNECTION's state: one kept-alive connection to a provider, one generation at a time, of
/// one client whose tickets grow. `cancel` is control and may come before the generation that it is
/// about, with the next one close behind it: what has an older ticket than either is over.
class llm_connection_state {
public:
  static inline const char* name = "llm_connection";

  using self_pointer = actor_of<llm_connection_actor, llm_connection_state>*;

  /// Drops the post under way.
  ~llm_connection_state();

  void init(self_pointer self, llm_deployment to, std::shared_ptr<http_link> link);
  void generate(const context& ctx, llm_client_actor client, uint64_t ticket,
                const generation& ask);
  void cancel(const llm_client_actor& client, uint64_t ticket);
  void event(uint64_t number, upstream_event x);

private:
  struct running {
    context ctx;
    llm_client_actor client;
    uint64_t ticket = 0;
    bool stream = false;
    http_head head;
    std::string body;
    std::unique_ptr<sse_parser> events;
    completion total;
    bool done = false;
    failure why;
  };

  void drop();
  void piece(std::string_view bytes);
  void stream_data(std::string_view data);
  void end();
  template <class Verb, class T>
  void answer(const running& x, Verb verb, T what);
  void finish(completion result);
  void fail(failure why);

  self_pointer self_ = nullptr;
  llm_deployment to_;
  std::shared_ptr<http_link> link_;
  std::unique_ptr<running> run_;
  uint64_t number_ = 0;
  /// Up to this ticket nobody waits any more for what has not begun.
  uint64_t over_ = 0;
};

llm_connection_actor::behavior_type
llm_connection(actor_of<llm_connection_actor, llm_connection_state>* self, llm_deployment to,
               std::shared_ptr<http_link> link);

/// The `Authorization` header of a deployment, read anew each time so that a rotated key is taken;
/// empty where none is configured. Fails with `ec::upstream_failed` where the key is missing.
caf::expected<std::string> authorization_of(const llm_deployment& x);

} // namespace sotto
