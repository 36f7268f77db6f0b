// The links of a client: which node it is linked to, and what becomes of calls when it is lost.
#include "client/engine.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>

namespace sotto {

namespace {

/// A subscription is forgotten by the node after the first; it is renewed after the second.
constexpr std::chrono::nanoseconds lease = std::chrono::minutes{5};
constexpr std::chrono::nanoseconds renew_every = std::chrono::minutes{2};
/// Of addresses that a node names; what is beyond is not taken.
constexpr size_t most_nodes = 1024, longest_address = 300;

} // namespace

void client_engine::dial() {
  if (closed_ || current_ != 0)
    return;
  auto name = next_link_++;
  auto address = nodes_[next_node_];
  current_ = name;
  auto& x = links_[name];
  client_link::events events;
  events.welcomed = [this, name](const native_welcome& y) { welcomed(name, y); };
  events.answered = [this, name](native_answer_frame& y) { answered(name, y); };
  events.writable = [this] { pump(); };
  events.lost = [this, name](const failure& why, bool refused) { lost(name, why, refused); };
  x.link = std::make_shared<client_link>(io_, tls_, with_, address, std::move(events));
  x.link->start();
}

void client_engine::dial_later() {
  // Others first, at once; when all have failed, with pauses that grow.
  next_node_ = (next_node_ + 1) % nodes_.size();
  auto round = failed_ / nodes_.size();
  std::chrono::nanoseconds pause{0};
  if (round > 0 && failed_ % nodes_.size() == 0)
    pause = std::min<std::chrono::nanoseconds>(
        with_.retry_last, with_.retry_first * (1LL << std::min<size_t>(round - 1, 20)));
  retry_.expires_after(pause);
  retry_.async_wait([this](boost::system::error_code ec) {
    if (!ec)
      dial();
  });
}

void client_engine::welcomed(uint64_t link, const native_welcome& x) {
  auto at = links_.find(link);
  if (at == links_.end())
    return;
  failed_ = refused_ = 0;
  auto& to = at->second;
  to.welcomed = true;
  to.most_calls = std::max<size_t>(x.calls, 1);
  to.largest_frame = x.frame;
  {
    std::lock_guard guard{mutex_};
    linked_to_ = to.link->address();
  }
  for (auto& [number, y] : listeners_)
    subscribe(to, number, y);
  pump();
}

void client_engine::lost(uint64_t link, const failure& why, bool refused) {
  auto node = links_.extract(link);
  if (node.empty())
    return;
  auto& was = node.mapped();
  last_why_ = why.message;
  if (current_ == link) {
    current_ = 0;
    std::lock_guard guard{mutex_};
    linked_to_.clear();
  }
  // In the order in which they were made.
  std::set<uint64_t> under_way;
  for (auto& [wire, number] : was.calls)
    under_way.insert(number);
  for (auto number : under_way)
    cut_off(number, was.link->address());
  if (!was.welcomed) {
    ++failed_;
    refused_ += refused ? 1 : 0;
    // Whoever is refused everywhere would wait in vain.
    if (failed_ >= nodes_.size() && refused_ >= nodes_.size()) {
      refused_ = 0;
      give_up_waiting(why);
    }
  }
  if (current_ == 0 && !closed_)
    dial_later();
}

/// Who is named there is well, so these come first; the others stay for when all of them are gone.
void client_engine::take_nodes(uint64_t link, const native_nodes& x) {
  auto at = links_.find(link);
  if (at == links_.end() || current_ != link)
    return;
  std::vector<std::string> all;
  auto add = [&](const std::string& node) {
    auto colon = node.rfind(':');
    if (colon != std::string::npos && colon > 0 && node.size() <= longest_address
        && all.size() < most_nodes && std::find(all.begin(), all.end(), node) == all.end())
      all.push_back(node);
  };
  for (auto& node : x.addresses)
    add(node);
  for (auto& node : with_.nodes)
    add(node);
  // The next after this one is tried next; after one that is about to end, the first.
  auto own = std::find(all.begin(), all.end(), at->second.link->address());
  next_node_ = own == all.end() ? all.size() - 1 : static_cast<size_t>(own - all.begin());
  nodes_ = std::move(all);
}

/// Its node was lost while it was under way.
void client_engine::cut_off(uint64_t number, const std::string& address) {
  auto& x = calls_.at(number);
  if (!repeatable(x.what))
    return end(number, failure{ec::unavailable,
                               address
                                   + " was lost while it worked on this; what became of it is not "
                                     "known",
                               {},
                               1});
  wait_again(number, x);
  if (auto* turn = std::get_if<turn_request>(&x.what))
    take_up(*turn, x);
}

/// The node is about to end: what is under way there ends there, and all else goes elsewhere.
void client_engine::leave(uint64_t link) {
  if (current_ != link)
    return;
  current_ = 0;
  {
    std::lock_guard guard{mutex_};
    linked_to_.clear();
  }
  boost::asio::post(io_, [this, link] { release(link); });
  dial_later();
}

/// Lets a link that was left go when nothing is under way on it.
void client_engine::release(uint64_t link) {
  auto at = links_.find(link);
  if (at == links_.end() || current_ == link || !at->second.calls.empty())
    return;
  at->second.link->close();
  links_.erase(at);
}

void client_engine::give_up_waiting(const failure& why) {
  std::vector<uint64_t> all;
  for (auto& [level, number] : waiting_)
    all.push_back(number);
  for (auto number : all)
    end(number, why);
}

uint64_t client_engine::listen(native_subscribe wish, listen_handlers to) {
  auto name = next_++;
  boost::asio::post(io_, [this, name, wish = std::move(wish), to = std::move(to)]() mutable {
    auto& x = listeners_[name] = {std::move(wish), std::move(to)};
    if (x.wish.conversation.empty())
      x.wish.conversation = x.wish.owner.owner;
    if (auto at = links_.find(current_); at != links_.end() && at->second.welcomed)
      subscribe(at->second, name, x);
    renew_later();
  });
  return name;
}

void client_engine::unlisten(uint64_t name) {
  boost::asio::post(io_, [this, name] {
    auto node = listeners_.extract(name);
    if (node.empty())
      return;
    auto& wish = node.mapped().wish;
    for (auto& [other, x] : listeners_)
      if (x.wish.owner == wish.owner && x.wish.conversation == wish.conversation)
        return; // somebody still listens
    wish.wanted.kinds = 0;
    if (auto at = links_.find(current_); at != links_.end() && at->second.welcomed)
      subscribe(at->second, 0, node.mapped());
  });
}

/// The node knows one listener a conversation: this client. Without kinds it is none any more.
void client_engine::subscribe(linked& at, uint64_t name, const listener& x) {
  native_call_frame frame;
  frame.number = ++at.last_number;
  auto wish = x.wish;
  for (auto& [other, y] : listeners_)
    if (y.wish.owner == wish.owner && y.wish.conversation == wish.conversation)
      wish.wanted.kinds |= y.wish.wanted.kinds;
  wish.wanted.lease = wish.wanted.kinds != 0 ? lease.count() : 0;
  frame.body = std::move(wish);
  // Renewed again and again: the latest number is the one that an answer may name.
  std::erase_if(at.listeners, [&](auto& y) { return y.second == name; });
  at.listeners[frame.number] = name;
  at.link->send(to_bytes(frame));
}

void client_engine::renew_later() {
  if (listeners_.empty() || closed_ || std::exchange(renewing_, true))
    return;
  renewal_.expires_after(renew_every);
  renewal_.async_wait([this](boost::system::error_code ec) {
    renewing_ = false;
    if (ec)
      return;
    if (auto at = links_.find(current_); at != links_.end() && at->second.welcomed)
      for (auto& [name, x] : listeners_)
        subscribe(at->second, name, x);
    renew_later();
  });
}

} // namespace sotto
