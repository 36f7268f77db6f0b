#include "actors/reembedder.hpp"

namespace sotto {

namespace {

/// Owners looked at together: as many are loaded at a time, at most.
constexpr uint32_t page_size = 64;
/// A page is looked at again after the first of these; each time after twice as long, because a
/// look reads all memories of its owners.
constexpr caf::timespan first_wait = std::chrono::milliseconds{250};
constexpr caf::timespan longest_wait = std::chrono::seconds{4};
/// Longer than a shard leaves a provider alone that failed.
constexpr int64_t patience = 40'000'000'000;
constexpr auto answer_timeout = std::chrono::minutes{1};

} // namespace

void reembedder_state::init(self_pointer self, owner_list_actor owners, home_function home) {
  self_ = self;
  owners_ = std::move(owners);
  home_ = std::move(home);
}

reembed_progress reembedder_state::start() {
  if (!pass_ || !pass_->running()) {
    pass_.emplace(patience);
    wait_ = first_wait;
    look();
  }
  return progress();
}

void reembedder_state::look() {
  auto ctx = self_->services().new_flow(self_->nanos(), 0, priority::background);
  self_->request(owners_, answer_timeout, ctx, atom::list_v, pass_->after(), page_size)
      .then(
          [this](const std::vector<owner_vectors>& page) {
            auto owners = pass_->look(page, self_->nanos());
            if (!owners.empty())
              return wake(owners);
            wait_ = first_wait;
            if (pass_->running())
              look();
          },
          [this](const caf::error& why) { pass_->fail(to_failure(why).message); });
}

void reembedder_state::wake(const std::vector<owner_key>& owners) {
  for (auto& owner : owners) {
    memory_page_query one;
    one.owner = owner;
    one.limit = 1;
    auto ctx = self_->services().new_flow(self_->nanos(), 0, priority::background);
    // What comes of it is seen in the store.
    self_->request(home_(owner), answer_timeout, ctx, atom::list_v, std::move(one))
        .then([](const memory_page&) {}, [](const caf::error&) {});
  }
  self_->delayed_send<caf::message_priority::high>(self_, wait_, context{}, atom::tick_v);
  wait_ = std::min(2 * wait_, longest_wait);
}

reembed_actor::behavior_type reembedder(actor_of<reembed_actor, reembedder_state>* self,
                                        owner_list_actor owners, home_function home) {
  auto& state = self->state;
  state.init(self, std::move(owners), std::move(home));
  return {
      [&state](const context&, atom::run) { return state.start(); },
      [&state](const context&, atom::list) { return state.progress(); },
      [&state](const context&, atom::tick) { state.look(); },
  };
}

} // namespace sotto
