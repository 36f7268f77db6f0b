#pragma once

#include <memory>
#include <new>

#include "messages/context.hpp"

namespace sotto::test {

/// An actor that nothing can be sent to while it breaks, as where there is no memory for another
/// message: the sender's handler throws.
template <class Handle>
class brittle : public Handle::base {
public:
  brittle(caf::actor_config& cfg, std::shared_ptr<bool> breaks, typename Handle::behavior_type does)
      : Handle::base(cfg), breaks_(std::move(breaks)), does_(std::move(does)) {}

  void enqueue(caf::mailbox_element_ptr x, caf::execution_unit* eu) override {
    auto& content = x->content();
    if (*breaks_ && !content.empty() && content.template match_element<context>(0))
      throw std::bad_alloc{};
    Handle::base::enqueue(std::move(x), eu);
  }

protected:
  typename Handle::behavior_type make_behavior() override { return std::move(does_); }

private:
  std::shared_ptr<bool> breaks_;
  typename Handle::behavior_type does_;
};

} // namespace sotto::test
