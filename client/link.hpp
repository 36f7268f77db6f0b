#pragma once

#include <utility> // before any Asio header: std::exchange in Boost 1.74's awaitable.hpp

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "client/client.hpp"
#include "messages/native.hpp"

namespace sotto {

/// A client's connection to one node. Used on the client's thread only.
class client_link : public std::enable_shared_from_this<client_link> {
public:
  /// None is called within a function of the link's; none after `lost` or `close`.
  struct events {
    std::function<void(const native_welcome&)> welcomed;
    std::function<void(native_answer_frame&)> answered;
    /// There is room to send again.
    std::function<void()> writable;
    /// `refused`: the node itself said why.
    std::function<void(const failure& why, bool refused)> lost;
  };

  /// `with` and `tls` outlive it.
  client_link(boost::asio::io_context& io, boost::asio::ssl::context& tls,
              const client_options& with, std::string address, events to);

  void start();

  /// Sends frames with their heads.
  void send(const std::string& bytes);

  /// Whether so much waits to be sent that calls had better wait themselves.
  bool busy() const;

  void close();

  const std::string& address() const { return address_; }

private:
  using error_code = boost::system::error_code;
  using tcp = boost::asio::ip::tcp;

  void connect(const tcp::resolver::results_type& to);
  void greet();
  void read();
  void read_body();
  void take();
  void write();
  void watch();
  void lose(const failure& why, bool refused = false);
  void lose(const char* doing, error_code ec);

  const client_options& with_;
  std::string address_;
  events to_;
  tcp::resolver resolver_;
  boost::asio::ssl::stream<tcp::socket> stream_;
  boost::asio::steady_timer timer_;
  std::array<char, native_head> head_{};
  std::string body_, unsent_, sending_;
  bool welcomed_ = false, heard_ = false, closed_ = false;
  /// Heartbeats since the node was last heard.
  int missed_ = 0;
};

} // namespace sotto
