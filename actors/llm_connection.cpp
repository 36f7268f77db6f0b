#include "actors/llm_connection.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "actors/openai_upstream.hpp"

namespace sotto {

namespace {

constexpr size_t largest_answer = 16 << 20;
constexpr size_t largest_key = 16 << 10;

/// Sends what the reactor sees to the actor, in order.
http_events events_for(const llm_connection_actor& to, uint64_t number) {
  auto tell = [to, number](upstream_event x) {
    caf::anon_send<caf::message_priority::high>(to, context{}, atom::request_v, number,
                                                std::move(x));
  };
  using kind = upstream_event::kind;
  return {[tell](const http_head& x) {
            tell({kind::head, x, {}, {}});
          },
          [tell](std::string_view x) {
            tell({kind::piece, {}, std::string{x}, {}});
          },
          [tell] {
            tell({kind::end, {}, {}, {}});
          },
          [tell](const failure& x) {
            tell({kind::error, {}, {}, x});
          }};
}

std::string trimmed(std::string x) {
  constexpr auto space = " \t\r\n";
  x.erase(x.find_last_not_of(space) + 1);
  x.erase(0, x.find_first_not_of(space));
  return x;
}

} // namespace

caf::expected<std::string> authorization_of(const llm_deployment& x) {
  std::string key;
  if (!x.api_key_env.empty()) {
    if (const auto* value = std::getenv(x.api_key_env.c_str()))
      key = trimmed(value);
    if (key.empty())
      return to_error({ec::upstream_failed,
                       x.name + ": the environment variable " + x.api_key_env + " is not set",
                       {}});
  } else if (!x.api_key_file.empty()) {
    std::ifstream file{x.api_key_file};
    key.assign(std::istreambuf_iterator<char>{file}, {});
    key = trimmed(key.substr(0, largest_key));
    if (key.empty())
      return to_error(
          {ec::upstream_failed, x.name + ": no key can be read from " + x.api_key_file, {}});
  }
  for (unsigned char c : key)
    if (c < ' ' || c == 0x7f)
      return to_error(
          {ec::upstream_failed, x.name + ": the key holds characters that no header may", {}});
  return key.empty() ? key : "Bearer " + key;
}

llm_connection_state::~llm_connection_state() {
  if (run_ && link_)
    link_->cancel();
}

void llm_connection_state::init(self_pointer self, llm_deployment to,
                                std::shared_ptr<http_link> link) {
  self_ = self;
  to_ = std::move(to);
  link_ = std::move(link);
}

void llm_connection_state::generate(const context& ctx, llm_client_actor client, uint64_t ticket,
                                    const generation& ask) {
  if (ticket <= over_)
    return;
  over_ = ticket;
  if (run_) // given up, which was told before this one began
    drop();
  run_ = std::make_unique<running>();
  run_->ctx = ctx;
  run_->client = std::move(client);
  run_->ticket = ticket;
  run_->stream = ask.stream;
  run_->total.model = ask.model.empty() ? to_.model : ask.model;
  auto authorization = authorization_of(to_);
  if (!authorization)
    return fail(to_failure(authorization.error()));
  http_post post;
  post.path = "/chat/completions";
  post.body = chat_body(ask, to_);
  post.authorization = std::move(*authorization);
  auto left = ctx.deadline == 0 ? to_.timeout : caf::timespan{ctx.deadline - self_->nanos()};
  left = std::clamp(left, caf::timespan{std::chrono::milliseconds{1}}, to_.timeout);
  post.connect_timeout = std::min(to_.connect_timeout, left);
  post.header_timeout = std::min(to_.header_timeout, left);
  post.idle_timeout = std::min(to_.idle_timeout, left);
  link_->post(std::move(post), events_for(llm_connection_actor{self_}, ++number_));
}

void llm_connection_state::cancel(const llm_client_actor& client, uint64_t ticket) {
  if (run_ && run_->ticket == ticket && run_->client == client)
    drop();
  else
    over_ = std::max(over_, ticket);
}

void llm_connection_state::drop() {
  run_.reset();
  ++number_;
  link_->cancel();
}

void llm_connection_state::event(uint64_t number, upstream_event x) {
  if (!run_ || number != number_)
    return;
  switch (x.what) {
  case upstream_event::kind::head:
    run_->head = std::move(x.head);
    if (run_->stream && run_->head.status == 200)
      run_->events =
          std::make_unique<sse_parser>([this](std::string_view data) { stream_data(data); });
    break;
  case upstream_event::kind::piece:
    piece(x.piece);
    break;
  case upstream_event::kind::end:
    end();
    break;
  case upstream_event::kind::error:
    x.why.message = to_.name + ": " + x.why.message;
    fail(std::move(x.why));
    break;
  }
}

void llm_connection_state::piece(std::string_view bytes) {
  // The body is kept also of a stream while no event came of it: it may be a plain answer.
  if (!run_->events || run_->total.deployment.empty())
    run_->body += bytes;
  if (run_->body.size() > largest_answer)
    run_->why = {ec::upstream_failed, to_.name + ": the answer is too large", {}};
  if (run_->events && !run_->events->feed(bytes))
    run_->why = {ec::upstream_failed, to_.name + ": an event of the stream is too large", {}};
  if (run_->why) {
    ++number_;
    link_->cancel();
    fail(std::move(run_->why));
  }
}

void llm_connection_state::stream_data(std::string_view data) {
  if (run_->done || run_->why)
    return;
  auto x = read_piece(data, run_->total, to_);
  run_->done = x.done;
  run_->why = std::move(x.why);
  if (!x.text.empty())
    answer(*run_, atom::token_v, std::move(x.text));
}

void llm_connection_state::end() {
  auto& x = *run_;
  if (x.head.status != 200)
    return fail(read_refusal(x.head.status, x.head.retry_after, x.body, to_));
  auto streamed = x.events && !x.total.deployment.empty();
  if (streamed) {
    if (!x.done)
      return fail({ec::upstream_failed, to_.name + ": the stream ended before its end", {}});
    return finish(std::move(x.total));
  }
  // Some providers answer a request for a stream with a plain body.
  auto answer = read_answer(x.body, to_);
  if (answer.why)
    return fail(std::move(answer.why));
  if (x.stream && !answer.result.text.empty())
    this->answer(x, atom::token_v, answer.result.text);
  finish(std::move(answer.result));
}

/// Control: what was generated is not refused where a mailbox is full, or a text would lack a
/// piece.
template <class Verb, class T>
void llm_connection_state::answer(const running& x, Verb verb, T what) {
  self_->send<caf::message_priority::high>(x.client, self_->child(x.ctx), verb, x.ticket,
                                           std::move(what));
}

void llm_connection_state::finish(completion result) {
  auto x = std::move(run_);
  answer(*x, atom::completed_v, std::move(result));
}

void llm_connection_state::fail(failure why) {
  auto x = std::move(run_);
  answer(*x, atom::failed_v, std::move(why));
}

llm_connection_actor::behavior_type
llm_connection(actor_of<llm_connection_actor, llm_connection_state>* self, llm_deployment to,
               std::shared_ptr<http_link> link) {
  auto& state = self->state;
  state.init(self, std::move(to), std::move(link));
  return {
      [&state](const context& ctx, atom::generate, llm_client_actor& client, uint64_t ticket,
               const generation& ask) { state.generate(ctx, std::move(client), ticket, ask); },
      [&state](const context&, atom::cancel, const llm_client_actor& client, uint64_t ticket) {
        state.cancel(client, ticket);
      },
      [&state](const context&, atom::request, uint64_t number, upstream_event& x) {
        state.event(number, std::move(x));
      },
  };
}

} // namespace sotto
