#pragma once

#include <functional>
#include <memory>

#include "nodes/gateway.hpp"

namespace sotto {

/// Forgets a user for a frontend: what is theirs, and what they said in groups, whose memories live
/// in any partition of any node. Goes from partition to partition, some at a time. `Self` is the
/// frontend's actor; everything happens in it.
template <class Self>
class forget_user : public std::enable_shared_from_this<forget_user<Self>> {
public:
  struct outcome {
    forget_receipt own;
    uint64_t in_groups = 0;
    failure why;
  };

  forget_user(Self self, std::shared_ptr<const gateway_handles> to, context ctx,
              std::function<void(outcome)> done)
      : self_(self), to_(std::move(to)), ctx_(std::move(ctx)), done_(std::move(done)) {}

  void run(const owner_key& user) {
    self_->request(to_->home_of(user), patience(), ctx_, atom::forget_v, user)
        .then(
            [x = this->shared_from_this()](forget_receipt& receipt) {
              x->result_.own = std::move(receipt);
              if (is_group(x->result_.own.owner)) // it says nothing in other groups
                x->next_ = x->to_->partitions.size();
              x->go_on();
            },
            [x = this->shared_from_this()](const caf::error& err) {
              x->result_.why = to_failure(err);
              x->done_(std::move(x->result_));
            });
  }

private:
  /// Partitions asked at the same time.
  static constexpr uint32_t at_once = 32;

  caf::timespan patience() const { return to_->with.limits.request_timeout; }

  void go_on() {
    auto count = to_->partitions.size();
    while (!result_.why && next_ < count && under_way_ < at_once)
      ask(next_++);
    if (under_way_ > 0)
      return;
    if (result_.why)
      result_.why.message =
          "not everything that the user said in groups is forgotten; forget them again: "
          + result_.why.message;
    done_(std::move(result_));
  }

  void ask(uint32_t partition) {
    auto home = to_->partitions.at(partition).first;
    if (!home) {
      result_.why = {ec::unavailable, "the node is shutting down", {}};
      return;
    }
    ++under_way_;
    self_
        ->request(home, patience(), self_->child(ctx_), atom::forget_v,
                  spoken_by{result_.own.owner, partition})
        .then([x = this->shared_from_this()](const spoken_receipt& y) { x->ended(y.memories, {}); },
              [x = this->shared_from_this()](const caf::error& err) {
                x->ended(0, to_failure(err));
              });
  }

  void ended(uint64_t memories, const failure& why) {
    --under_way_;
    result_.in_groups += memories;
    if (why && !result_.why)
      result_.why = why;
    go_on();
  }

  Self self_;
  std::shared_ptr<const gateway_handles> to_;
  context ctx_;
  std::function<void(outcome)> done_;
  outcome result_;
  uint32_t next_ = 0;
  uint32_t under_way_ = 0;
};

} // namespace sotto
