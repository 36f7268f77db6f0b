#include "client/engine.hpp"

#include <future>
#include <random>

#include <openssl/err.h>

namespace sotto {

namespace {

namespace ssl = boost::asio::ssl;

/// A name that nothing else has.
std::string new_name() {
  thread_local std::random_device entropy;
  constexpr auto digits = "0123456789abcdef";
  std::string name;
  for (int i = 0; i < 4; ++i)
    for (auto [bits, left] = std::pair{entropy(), 8}; left > 0; --left, bits >>= 4)
      name += digits[bits & 15];
  return name;
}

failure wrong(const char* option, const std::string& file, const std::string& what) {
  return {ec::invalid, std::string{option} + ": " + (file.empty() ? "(none)" : file) + ": " + what,
          option};
}

failure read_files(const client_options& with, ssl::context& to) {
  boost::system::error_code code;
  ERR_clear_error();
  SSL_CTX_set_min_proto_version(to.native_handle(), TLS1_2_VERSION);
  to.use_certificate_chain_file(with.certificate, code);
  if (code)
    return wrong("certificate", with.certificate, code.message());
  to.use_private_key_file(with.key, ssl::context::pem, code);
  if (code)
    return wrong("key", with.key, code.message());
  to.load_verify_file(with.ca, code);
  if (code)
    return wrong("ca", with.ca, code.message());
  // The authority is the cluster's own: whoever it lets serve is a node.
  to.set_verify_mode(ssl::verify_peer);
  return {};
}

failure check(const client_options& x) {
  if (x.nodes.empty())
    return {ec::invalid, "nodes: at least one address is needed, such as 127.0.0.1:7801", "nodes"};
  for (auto& node : x.nodes)
    if (auto colon = node.rfind(':'); colon == std::string::npos || colon == 0)
      return {ec::invalid, "nodes: '" + node + "' is no address such as 127.0.0.1:7801", "nodes"};
  if (x.max_calls == 0 || x.silence.count() <= 0 || x.connect_timeout.count() <= 0
      || x.retry_first.count() <= 0)
    return {ec::invalid, "max_calls, silence, connect_timeout and retry_first must be above 0", {}};
  return {};
}

std::vector<recalled> value_of(native_found& x) {
  return std::move(x.memories);
}
bool value_of(native_removed& x) {
  return x.removed;
}
template <class T>
T value_of(T& x) {
  return std::move(x);
}

/// Turns the answer of a node, which is an `Answer` or a failure, into what came of the call.
template <class Answer, class T>
std::function<void(native_answer&)> as(std::function<void(answer<T>)> to) {
  return [to = std::move(to)](native_answer& x) {
    answer<T> result;
    if (auto* value = std::get_if<Answer>(&x))
      result.value = value_of(*value);
    else if (auto* why = std::get_if<failure>(&x))
      result.why = std::move(*why);
    else
      result.why = {ec::internal, "the node answered something else than was asked", {}};
    if (to)
      to(std::move(result));
  };
}

template <class Answer, class T>
uint64_t start(client_engine& in, native_call what, std::function<void(answer<T>)> to,
               call_options with, client_engine::handlers more = {}) {
  more.done = as<Answer>(std::move(to));
  if (auto number = in.take_place()) {
    in.start(number, std::move(what), with, std::move(more));
    return number;
  }
  native_answer refusal{in.no_room()};
  more.done(refusal);
  return 0;
}

/// Starts a call with a handler and waits for it.
template <class T, class F>
answer<T> wait_for(F start) {
  std::promise<answer<T>> promise;
  auto result = promise.get_future();
  start([&promise](answer<T> x) { promise.set_value(std::move(x)); });
  return result.get();
}

} // namespace

client::client(std::unique_ptr<client_engine> with) : engine_(std::move(with)) {}

client::~client() = default;

answer<std::unique_ptr<client>> client::open(client_options with) {
  answer<std::unique_ptr<client>> result;
  ssl::context tls{ssl::context::tls_client};
  result.why = check(with);
  if (!result.why)
    result.why = read_files(with, tls);
  if (!result.why)
    result.value.reset(
        new client{std::make_unique<client_engine>(std::move(with), std::move(tls))});
  return result;
}

uint64_t client::say(turn_request turn, turn_handlers to, call_options with) {
  if (turn.idempotency_key.empty() && !turn.owner.owner.empty())
    turn.idempotency_key = new_name();
  turn.stream = static_cast<bool>(to.piece);
  client_engine::handlers more;
  if (to.piece)
    more.piece = [piece = std::move(to.piece)](stream_piece& x) { piece(x); };
  more.anew = std::move(to.anew);
  return start<turn_reply>(*engine_, std::move(turn), std::move(to.done), with, std::move(more));
}

void client::cancel(uint64_t turn) {
  engine_->cancel(turn);
}

void client::recall(memory_query query, done<std::vector<recalled>> to, call_options with) {
  start<native_found>(*engine_, std::move(query), std::move(to), with);
}

void client::remember(memory_write write, done<memory_receipt> to, call_options with) {
  for (auto& x : write.memories)
    if (x.id.empty())
      x.id = new_name();
  start<memory_receipt>(*engine_, std::move(write), std::move(to), with);
}

void client::list(memory_page_query page, done<memory_page> to, call_options with) {
  start<memory_page>(*engine_, std::move(page), std::move(to), with);
}

void client::remove(owner_key owner, std::string id, done<bool> to, call_options with) {
  start<native_removed>(*engine_, native_remove{std::move(owner), std::move(id)}, std::move(to),
                        with);
}

void client::forget(owner_key owner, done<forget_receipt> to, call_options with) {
  start<forget_receipt>(*engine_, native_forget{std::move(owner)}, std::move(to), with);
}

uint64_t client::listen(owner_key owner, std::string conversation, listen_handlers to,
                        uint8_t kinds) {
  native_subscribe wish{std::move(owner), std::move(conversation), {}};
  wish.wanted.kinds = kinds;
  return engine_->listen(std::move(wish), std::move(to));
}

void client::unlisten(uint64_t number) {
  engine_->unlisten(number);
}

answer<turn_reply> client::say(turn_request turn, std::function<void(const stream_piece&)> piece,
                               call_options with) {
  return wait_for<turn_reply>([&](done<turn_reply> to) {
    say(std::move(turn), turn_handlers{std::move(piece), {}, std::move(to)}, with);
  });
}

answer<std::vector<recalled>> client::recall(memory_query query, call_options with) {
  return wait_for<std::vector<recalled>>(
      [&](done<std::vector<recalled>> to) { recall(std::move(query), std::move(to), with); });
}

answer<memory_receipt> client::remember(memory_write write, call_options with) {
  return wait_for<memory_receipt>(
      [&](done<memory_receipt> to) { remember(std::move(write), std::move(to), with); });
}

answer<memory_page> client::list(memory_page_query page, call_options with) {
  return wait_for<memory_page>(
      [&](done<memory_page> to) { list(std::move(page), std::move(to), with); });
}

answer<bool> client::remove(owner_key owner, std::string id, call_options with) {
  return wait_for<bool>(
      [&](done<bool> to) { remove(std::move(owner), std::move(id), std::move(to), with); });
}

answer<forget_receipt> client::forget(owner_key owner, call_options with) {
  return wait_for<forget_receipt>(
      [&](done<forget_receipt> to) { forget(std::move(owner), std::move(to), with); });
}

std::string client::linked_to() const {
  return engine_->linked_to();
}

} // namespace sotto
