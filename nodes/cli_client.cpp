#include "nodes/cli_client.hpp"

#include "nodes/client_stream.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sotto {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr size_t largest_body = 64 << 20;

/// One call, from the name of the host to the last byte of the answer.
class exchange {
public:
  exchange(const std::string& url, const node_client::piece_handler& piece)
      : url_(url), piece_(piece) {
    parser_.body_limit(largest_body);
  }

  /// Before `run`: TLS with a certificate for `host` that is to be trusted.
  bool secure(const std::string& host, const std::string& ca_file) {
    beast::error_code code;
    trust_.set_default_verify_paths(code);
    if (!ca_file.empty())
      trust_.load_verify_file(ca_file, code);
    if (code)
      return fail(
          fmt::format("the certificates in {} cannot be read: {}", ca_file, code.message()));
    trust_.set_verify_mode(asio::ssl::verify_peer);
    stream_.emplace(beast::tcp_stream{io_}, trust_);
    auto* tls = stream_->secured();
    beast::error_code ignored;
    asio::ip::make_address(host, ignored);
    if (ignored) // an address is no server name (RFC 6066, 3)
      SSL_set_tlsext_host_name(tls->native_handle(), host.c_str());
    tls->set_verify_callback(asio::ssl::host_name_verification{host});
    return true;
  }

  node_answer give_up() { return std::move(answer_); }

  node_answer run(const std::string& host, const std::string& port,
                  http::request<http::string_body> request) {
    if (!stream_)
      stream_.emplace(beast::tcp_stream{io_});
    if (connect(host, port) && shake_hands() && send(request) && read_head())
      read_body();
    return std::move(answer_);
  }

private:
  /// Starts an operation and runs it to its end.
  template <class Start>
  beast::error_code wait_for(std::chrono::seconds limit, Start start) {
    beast::error_code out = asio::error::operation_aborted;
    stream_->expires_after(limit);
    start([&out](beast::error_code code, auto&&...) { out = code; });
    io_.restart();
    io_.run();
    return out;
  }

  bool fail(std::string what) {
    answer_.problem = std::move(what);
    return false;
  }

  bool connect(const std::string& host, const std::string& port) {
    beast::error_code code;
    asio::ip::tcp::resolver resolver{io_};
    auto places = resolver.resolve(host, port, code);
    if (code)
      return fail(fmt::format("the host {} is not known: {}", host, code.message()));
    code = wait_for(std::chrono::seconds{10}, [&](auto done) {
      stream_->next_layer().async_connect(places, std::move(done));
    });
    if (code)
      return fail(fmt::format("no node answers at {}: {}; \"sotto node\" starts one, --url names "
                              "another",
                              url_, code.message()));
    return true;
  }

  bool shake_hands() {
    auto* tls = stream_->secured();
    if (!tls)
      return true;
    auto code = wait_for(std::chrono::seconds{10}, [&](auto done) {
      tls->async_handshake(asio::ssl::stream_base::client, std::move(done));
    });
    if (code)
      return fail(fmt::format("no trusted TLS connection to {}: {}; --ca names a file of further "
                              "authorities",
                              url_, code.message()));
    return true;
  }

  bool send(http::request<http::string_body>& request) {
    auto code = wait_for(std::chrono::seconds{60},
                         [&](auto done) { http::async_write(*stream_, request, std::move(done)); });
    // A node that refuses a body may answer before it has read all of it.
    if (code && code != asio::error::broken_pipe && code != asio::error::connection_reset)
      return fail(fmt::format("the request to {} could not be sent: {}", url_, code.message()));
    return true;
  }

  bool read_head() {
    auto code = wait_for(std::chrono::seconds{180}, [&](auto done) {
      http::async_read_header(*stream_, buffer_, parser_, std::move(done));
    });
    if (code)
      return fail(fmt::format("{} sent no answer that can be read: {}", url_, code.message()));
    answer_.status = parser_.get().result_int();
    return true;
  }

  void read_body() {
    std::array<char, 16 * 1024> piece;
    while (!parser_.is_done()) {
      auto& body = parser_.get().body();
      body.data = piece.data();
      body.size = piece.size();
      body.more = true;
      auto code = wait_for(std::chrono::seconds{180}, [&](auto done) {
        http::async_read_some(*stream_, buffer_, parser_, std::move(done));
      });
      if (code == http::error::need_buffer)
        code = {};
      take({piece.data(), piece.size() - body.size});
      if (code) {
        fail(fmt::format("the answer of {} broke off: {}", url_, code.message()));
        return;
      }
    }
  }

  void take(std::string_view bytes) {
    if (bytes.empty())
      return;
    if (piece_ && answer_.status < 300)
      piece_(bytes);
    else
      answer_.body.append(bytes);
  }

  const std::string& url_;
  const node_client::piece_handler& piece_;
  asio::io_context io_;
  asio::ssl::context trust_{asio::ssl::context::tls_client};
  std::optional<client_stream> stream_;
  beast::flat_buffer buffer_{1 << 20};
  http::response_parser<http::buffer_body> parser_;
  node_answer answer_;
};

} // namespace

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~')
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

node_client::node_client(const std::string& url, std::string key, std::string ca_file)
    : url_(url), key_(std::move(key)), ca_file_(std::move(ca_file)),
      tls_(url.starts_with("https:")), port_(tls_ ? "443" : "80") {
  auto rest = std::string_view{url}.substr(url.find("://") + 3);
  auto slash = std::min(rest.find('/'), rest.size());
  prefix_ = rest.substr(slash);
  while (prefix_.ends_with('/'))
    prefix_.pop_back();
  auto authority = rest.substr(0, slash);
  auto colon = authority.rfind(':');
  if (auto bracket = authority.rfind(']');
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    port_ = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('['))
    authority = authority.substr(1, authority.size() - 2);
  host_ = authority;
}

node_answer node_client::call(const std::string& method, const std::string& target,
                              const std::string& body, const headers& more,
                              const piece_handler& piece) const {
  http::request<http::string_body> request;
  request.method_string(method);
  request.target(prefix_ + target);
  request.version(11);
  auto name = host_.find(':') == std::string::npos ? host_ : '[' + host_ + ']';
  request.set(http::field::host, name + ':' + port_);
  request.set(http::field::user_agent, "sotto/" SOTTO_VERSION);
  request.set(http::field::connection, "close");
  if (!key_.empty())
    request.set(http::field::authorization, "Bearer " + key_);
  for (auto& [name, value] : more)
    request.set(name, value);
  if (!body.empty()) {
    request.set(http::field::content_type, "application/json");
    request.body() = body;
  }
  request.prepare_payload();
  exchange made{url_, piece};
  if (tls_ && !made.secure(host_, ca_file_))
    return made.give_up();
  return made.run(host_, port_, std::move(request));
}

std::string explain(const node_answer& answer) {
  if (!answer.problem.empty())
    return answer.problem;
  auto body = nlohmann::json::parse(answer.body, nullptr, false);
  if (body.is_object() && body.contains("error")) {
    auto& error = body["error"];
    if (error.is_object() && error.contains("message") && error["message"].is_string())
      return fmt::format("{} (status {})", error["message"].get<std::string>(), answer.status);
    if (error.is_string())
      return fmt::format("{} (status {})", error.get<std::string>(), answer.status);
  }
  return fmt::format("the node answered with status {}", answer.status);
}

} // namespace sotto
