// The calls of a client.
#include "client/engine.hpp"

#include <boost/asio/post.hpp>

namespace sotto {

namespace {

constexpr auto tick_interval = std::chrono::milliseconds{50};
/// A node that cannot take a call is asked again after so long, unless it says when.
constexpr auto shortest_pause = std::chrono::milliseconds{200};

} // namespace

bool repeatable(const native_call& x) {
  return std::holds_alternative<turn_request>(x) || std::holds_alternative<memory_query>(x)
         || std::holds_alternative<memory_write>(x) || std::holds_alternative<memory_page_query>(x);
}

client_engine::client_engine(client_options with, boost::asio::ssl::context tls)
    : with_(std::move(with)), tls_(std::move(tls)), nodes_(with_.nodes) {
  boost::asio::post(io_, [this] { dial(); });
  thread_ = std::thread{[this] { io_.run(); }};
}

client_engine::~client_engine() {
  boost::asio::post(io_, [this] { close(); });
  thread_.join();
}

uint64_t client_engine::take_place() {
  if (places_.fetch_add(1) < with_.max_calls)
    return next_++;
  --places_;
  return 0;
}

failure client_engine::no_room() const {
  return {ec::overloaded, "too many calls of this client are under way or wait", {}, 1};
}

std::string client_engine::linked_to() const {
  std::lock_guard guard{mutex_};
  return linked_to_;
}

void client_engine::start(uint64_t number, native_call what, call_options with, handlers to) {
  call x;
  x.what = std::move(what);
  x.to = std::move(to);
  x.level = with.level.value_or(priority::normal);
  x.level_given = with.level.has_value();
  if (auto now = clock::now();
      with.deadline.count() > 0 && with.deadline < clock::time_point::max() - now)
    x.due = now + with.deadline;
  boost::asio::post(io_,
                    [this, number, x = std::move(x)]() mutable { begin(number, std::move(x)); });
}

void client_engine::begin(uint64_t number, call x) {
  auto& to = calls_[number] = std::move(x);
  if (closed_)
    return end(number, failure{ec::cancelled, "the client was closed", {}});
  if (auto* turn = std::get_if<turn_request>(&to.what))
    to.told = static_cast<uint64_t>(std::max<int64_t>(turn->resume_from, 0));
  wait_again(number, to);
  tick_later();
  pump();
}

void client_engine::wait_again(uint64_t number, call& x) {
  x.link = x.number = 0;
  x.since = clock::now();
  waiting_.emplace(x.level, number);
}

void client_engine::pump() {
  auto at = links_.find(current_);
  if (at == links_.end() || !at->second.welcomed)
    return;
  auto& to = at->second;
  auto now = clock::now();
  for (auto next = waiting_.begin();
       next != waiting_.end() && to.calls.size() < to.most_calls && !to.link->busy();) {
    auto number = next->second;
    auto& x = calls_.at(number);
    if (now < x.not_before || x.due < now) {
      ++next; // `tick` sees to it
      continue;
    }
    next = waiting_.erase(next);
    if (!send(to, number, x))
      return pump();
  }
}

/// False: it cannot be sent, and is over.
bool client_engine::send(linked& at, uint64_t number, call& x) {
  native_call_frame frame;
  frame.number = ++at.last_number;
  frame.ctx.level = x.level;
  frame.level_given = x.level_given;
  if (x.due != clock::time_point::max())
    frame.ctx.deadline = std::max<int64_t>((x.due - clock::now()).count(), 1);
  frame.body = x.what;
  auto bytes = to_bytes(frame);
  if (bytes.size() - native_head > at.largest_frame) {
    end(number, failure{ec::too_large,
                        "the call has " + std::to_string(bytes.size())
                            + " bytes; the node reads at most " + std::to_string(at.largest_frame),
                        {}});
    return false;
  }
  x.link = current_;
  x.number = frame.number;
  at.calls[frame.number] = number;
  at.link->send(bytes);
  return true;
}

void client_engine::cancel(uint64_t number) {
  boost::asio::post(io_, [this, number] {
    auto at = calls_.find(number);
    if (at == calls_.end())
      return;
    auto& x = at->second;
    auto link = links_.find(x.link);
    if (link != links_.end()) {
      native_call_frame frame;
      frame.number = x.number;
      frame.body = native_cancel{};
      link->second.link->send(to_bytes(frame));
      return; // the node answers, with this or with the reply
    }
    waiting_.erase({x.level, number});
    end(number, failure{ec::cancelled, "the call was cancelled", {}});
  });
}

void client_engine::answered(uint64_t link, native_answer_frame& x) {
  auto at = links_.find(link);
  if (at == links_.end())
    return;
  if (std::holds_alternative<native_leaving>(x.body))
    return leave(link);
  if (auto* nodes = std::get_if<native_nodes>(&x.body))
    return take_nodes(link, *nodes);
  if (auto* event = std::get_if<session_event>(&x.body))
    return tell_event(*event);
  if (auto wish = at->second.listeners.find(x.number); wish != at->second.listeners.end()) {
    auto listener = listeners_.find(wish->second);
    if (auto* why = std::get_if<failure>(&x.body);
        why && listener != listeners_.end() && listener->second.to.failed)
      listener->second.to.failed(*why);
    return;
  }
  auto name = at->second.calls.find(x.number);
  if (name == at->second.calls.end())
    return;
  auto number = name->second;
  auto& call = calls_.at(number);
  if (auto* piece = std::get_if<stream_piece>(&x.body))
    return take_piece(call, *piece);
  if (auto* how = std::get_if<native_resumed>(&x.body)) {
    if (!how->recovered && std::exchange(call.told, 0) > 0 && call.to.anew)
      call.to.anew();
    return;
  }
  at->second.calls.erase(name);
  if (std::holds_alternative<native_returned>(x.body)) {
    wait_again(number, call);
    leave(link);
  } else {
    call_answered(number, x.body);
  }
  release(link);
  pump();
}

void client_engine::take_piece(call& x, stream_piece& piece) {
  // What was told before the node was lost may come again.
  if (piece.offset < x.told) {
    auto again = std::min<uint64_t>(x.told - piece.offset, piece.text.size());
    piece.text.erase(0, again);
    piece.offset += again;
  }
  if (piece.text.empty())
    return;
  x.told = piece.offset + piece.text.size();
  if (x.to.piece)
    x.to.piece(piece);
}

void client_engine::call_answered(uint64_t number, native_answer& x) {
  auto& call = calls_.at(number);
  auto* why = std::get_if<failure>(&x);
  if (!why || !try_again(number, call, *why))
    end(number, std::move(x));
}

/// A node that is well may have lost the one that worked for it.
bool client_engine::try_again(uint64_t number, call& x, const failure& why) {
  auto now = clock::now();
  if (why.code != ec::unavailable || !repeatable(x.what))
    return false;
  if (!x.refused_since)
    x.refused_since = now;
  if (now - *x.refused_since > with_.hold)
    return false;
  wait_again(number, x);
  x.not_before =
      now + std::max<clock::duration>(std::chrono::seconds{why.retry_after}, shortest_pause);
  if (auto* turn = std::get_if<turn_request>(&x.what))
    take_up(*turn, x);
  return true;
}

/// A turn that is asked for again goes on where its stream was cut.
void client_engine::take_up(turn_request& turn, call& x) {
  turn.resume_from = -1;
  if (x.told == 0)
    return;
  if (!turn.idempotency_key.empty() && !turn.owner.owner.empty()) {
    turn.resume_from = static_cast<int64_t>(x.told);
    return;
  }
  x.told = 0; // nobody remembers it
  if (x.to.anew)
    x.to.anew();
}

void client_engine::end(uint64_t number, native_answer with) {
  auto node = calls_.extract(number);
  if (node.empty())
    return;
  waiting_.erase({node.mapped().level, number});
  --places_;
  if (node.mapped().to.done)
    node.mapped().to.done(with);
}

void client_engine::tell_event(session_event& x) {
  std::vector<uint64_t> all;
  for (auto& [number, y] : listeners_)
    if (y.wish.owner.owner == x.owner.owner && y.wish.conversation == x.conversation)
      all.push_back(number);
  auto lapsed = x.what == session_event::kind::lapsed;
  for (auto number : all) {
    auto at = listeners_.find(number);
    if (at != listeners_.end() && at->second.to.event
        && (lapsed || (at->second.wish.wanted.kinds & event_bit(x.what)) != 0))
      at->second.to.event(x);
    if (lapsed)
      listeners_.erase(number);
  }
}

void client_engine::tick_later() {
  if (calls_.empty() || closed_ || std::exchange(ticking_, true))
    return;
  tick_.expires_after(tick_interval);
  tick_.async_wait([this](boost::system::error_code ec) {
    ticking_ = false;
    if (ec)
      return;
    tick();
    tick_later();
  });
}

void client_engine::tick() {
  auto now = clock::now();
  auto at = links_.find(current_);
  auto apart = at == links_.end() || !at->second.welcomed;
  std::vector<std::pair<uint64_t, failure>> over;
  for (auto& [level, number] : waiting_) {
    auto& x = calls_.at(number);
    if (x.due < now)
      over.emplace_back(number,
                        failure{ec::timeout, "the deadline passed while the call waited", {}});
    else if (apart && now - x.since > with_.hold)
      over.emplace_back(number,
                        failure{ec::unavailable, "no node can be reached: " + last_why_, {}, 1});
  }
  for (auto& [number, why] : over)
    end(number, why);
  pump();
}

void client_engine::close() {
  closed_ = true;
  for (auto& [number, x] : links_)
    x.link->close();
  links_.clear();
  current_ = 0;
  while (!calls_.empty())
    end(calls_.begin()->first, failure{ec::cancelled, "the client was closed", {}});
  listeners_.clear();
  retry_.cancel();
  tick_.cancel();
  renewal_.cancel();
  work_.reset();
}

} // namespace sotto
