#pragma once

#include "client/link.hpp" // first: before Asio's headers comes what they need

#include <boost/asio/executor_work_guard.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

namespace sotto {

/// Whether a call may be made again when it is not known what became of it.
bool repeatable(const native_call& x);

/// What a client does on its own thread: which calls wait, which are under way with which node, and
/// what becomes of them when it is lost.
class client_engine {
public:
  struct handlers {
    std::function<void(stream_piece&)> piece;
    std::function<void()> anew;
    /// The answer, or a `failure`.
    std::function<void(native_answer&)> done;
  };

  client_engine(client_options with, boost::asio::ssl::context tls);
  ~client_engine();

  /// From any thread: the number of a call that there is room for; 0: there is none.
  uint64_t take_place();
  void start(uint64_t number, native_call what, call_options with, handlers to);
  void cancel(uint64_t number);
  uint64_t listen(native_subscribe wish, listen_handlers to);
  void unlisten(uint64_t number);
  std::string linked_to() const;
  failure no_room() const;

private:
  using clock = std::chrono::steady_clock;

  struct call {
    native_call what;
    handlers to;
    priority level = priority::normal;
    bool level_given = false;
    /// Since when it waits for a node; when it is too late, and when it is tried again.
    clock::time_point since, due = clock::time_point::max(), not_before{};
    /// Of the link it is under way with, and its number there; 0: it waits.
    uint64_t link = 0, number = 0;
    /// Since when nodes say that they cannot take it.
    std::optional<clock::time_point> refused_since;
    /// Something of its reply was told: so many bytes.
    uint64_t told = 0;
  };

  struct listener {
    native_subscribe wish;
    listen_handlers to;
  };

  struct linked {
    std::shared_ptr<client_link> link;
    /// Of calls and of subscriptions, by their numbers on the link.
    std::unordered_map<uint64_t, uint64_t> calls, listeners;
    uint64_t last_number = 0;
    /// As the node says.
    size_t most_calls = 0;
    size_t largest_frame = 0;
    bool welcomed = false;
  };

  // Links, engine_links.cpp
  void dial();
  void dial_later();
  void welcomed(uint64_t link, const native_welcome& x);
  void lost(uint64_t link, const failure& why, bool refused);
  void cut_off(uint64_t number, const std::string& address);
  void leave(uint64_t link);
  void release(uint64_t link);
  void give_up_waiting(const failure& why);
  void take_nodes(uint64_t link, const native_nodes& x);
  void subscribe(linked& at, uint64_t number, const listener& x);
  void renew_later();

  // Calls, engine.cpp
  void begin(uint64_t number, call x);
  void wait_again(uint64_t number, call& x);
  void pump();
  bool send(linked& at, uint64_t number, call& x);
  void answered(uint64_t link, native_answer_frame& x);
  void call_answered(uint64_t number, native_answer& x);
  void take_piece(call& x, stream_piece& piece);
  bool try_again(uint64_t number, call& x, const failure& why);
  void take_up(turn_request& turn, call& x);
  void end(uint64_t number, native_answer with);
  void tell_event(session_event& x);
  void tick_later();
  void tick();
  void close();

  const client_options with_;
  boost::asio::io_context io_{1};
  boost::asio::ssl::context tls_;
  boost::asio::steady_timer retry_{io_}, tick_{io_}, renewal_{io_};
  std::atomic<uint64_t> next_{1};
  std::atomic<size_t> places_{0};

  std::map<uint64_t, call> calls_;
  /// Calls that wait, most important first.
  std::set<std::pair<priority, uint64_t>> waiting_;
  std::map<uint64_t, listener> listeners_;
  /// All links; new calls go to `current_` (0: there is none, or it is being made).
  std::map<uint64_t, linked> links_;
  uint64_t current_ = 0, next_link_ = 1;
  /// All that are known: what the node it is linked to named last, then what the options say.
  std::vector<std::string> nodes_;
  /// Which node is tried next, how many failed in a row, and how many of them refused us.
  size_t next_node_ = 0, failed_ = 0, refused_ = 0;
  std::string last_why_ = "none was tried yet";
  bool ticking_ = false, renewing_ = false, closed_ = false;

  mutable std::mutex mutex_;
  std::string linked_to_;

  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::thread thread_;
};

} // namespace sotto
