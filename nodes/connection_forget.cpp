#include "nodes/connection.hpp"
#include "nodes/forget_user.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

void connection_state::forget(const context& ctx, const owner_key& user,
                              std::function<void(nlohmann::json)> done,
                              std::function<void(const failure&)> fail) {
  using work = forget_user<self_pointer>;
  auto ended = [done = std::move(done), fail = std::move(fail)](const work::outcome& x) {
    if (x.why)
      return fail(x.why);
    auto body = to_json_value(x.own);
    body["group_memories"] = x.in_groups;
    done(std::move(body));
  };
  std::make_shared<work>(self_, to_, within(ctx), std::move(ended))->run(user);
}

} // namespace sotto
