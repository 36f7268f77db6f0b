#include "nodes/node_models.hpp"

#include "actors/builtin_responder.hpp"
#include "actors/llm_connection.hpp"
#include "actors/llm_route.hpp"
#include "actors/llm_scheduler.hpp"
#include "nodes/open_store.hpp"

namespace sotto {

void start_models(node_frame& in, gateway_handles& to) {
  auto local = in.keep(in.system->spawn(builtin));
  if (!has_role(in.with.cluster, "llm")) {
    to.llm_route =
        in.keep_vital(in.system->spawn(llm_route, in.with.link, in.with.llm, local), "llm_route");
    to.llm = to.llm_route;
    return;
  }
  auto connect = [&sockets = in.sockets](caf::actor_system& system,
                                         const llm_deployment& with) -> llm_actor {
    auto server = parse_url(with.base_url);
    auto link = server ? make_http_link(sockets, *server, with.ca_file)
                       : caf::expected<std::shared_ptr<http_link>>{server.error()};
    return system.spawn(llm_connection, with, *link);
  };
  to.llm =
      in.keep_vital(in.system->spawn(llm_scheduler, in.with.llm, local, connect_function{connect}),
                    "llm_scheduler");
}

} // namespace sotto
