// Forgetting a user: what is theirs, and what they said in groups, whose memories live in any
// partition of any node.
#include "nodes/connection.hpp"
#include "nodes/json_output.hpp"

namespace sotto {

namespace {

/// Partitions asked at the same time.
constexpr uint32_t at_once = 32;

} // namespace

/// Goes from partition to partition.
struct connection_state::forget_work {
  context ctx;
  forget_receipt receipt;
  uint32_t next = 0;
  uint32_t under_way = 0;
  uint64_t in_groups = 0;
  failure why;
  std::function<void(nlohmann::json)> done;
  std::function<void(const failure&)> fail;
};

void connection_state::forget_user(const context& ctx, const owner_key& user,
                                   std::function<void(nlohmann::json)> done,
                                   std::function<void(const failure&)> fail) {
  auto x = std::make_shared<forget_work>();
  x->ctx = within(ctx);
  x->done = std::move(done);
  x->fail = std::move(fail);
  self_->request(to_->home_of(user), patience(), x->ctx, atom::forget_v, user)
      .then(
          [this, x](forget_receipt& receipt) {
            x->receipt = std::move(receipt);
            if (is_group(x->receipt.owner)) // it says nothing in other groups
              x->next = to_->partitions.size();
            forget_in_groups(x);
          },
          [x](const caf::error& err) { x->fail(to_failure(err)); });
}

void connection_state::forget_in_groups(const std::shared_ptr<forget_work>& x) {
  auto count = to_->partitions.size();
  while (!x->why && x->next < count && x->under_way < at_once) {
    spoken_by what{x->receipt.owner, x->next++};
    auto home = to_->partitions.at(what.partition).first;
    if (!home) {
      x->why = {ec::unavailable, "the node is shutting down", {}};
      break;
    }
    ++x->under_way;
    auto ended = [this, x](uint64_t memories, const failure& why) {
      --x->under_way;
      x->in_groups += memories;
      if (why && !x->why)
        x->why = why;
      forget_in_groups(x);
    };
    self_->request(home, patience(), self_->child(x->ctx), atom::forget_v, std::move(what))
        .then([ended](const spoken_receipt& y) { ended(y.memories, {}); },
              [ended](const caf::error& err) { ended(0, to_failure(err)); });
  }
  if (x->under_way > 0)
    return;
  if (x->why) {
    x->why.message = "not everything that the user said in groups is forgotten; forget them again: "
                     + x->why.message;
    return x->fail(x->why);
  }
  auto body = to_json_value(x->receipt);
  body["group_memories"] = x->in_groups;
  x->done(std::move(body));
}

} // namespace sotto
