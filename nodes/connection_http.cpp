#include <spdlog/spdlog.h>

#include "messages/json_input.hpp"
#include "nodes/cluster_api.hpp"
#include "nodes/connection.hpp"
#include "nodes/json_output.hpp"
#include "nodes/nobody.hpp"
#include "nodes/trace_api.hpp"

namespace sotto {

namespace {

constexpr size_t max_key = 255;
constexpr auto reembed_path = "/v1/admin/reembed";

constexpr auto page_policy =
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

http_answer text_answer(unsigned status, std::string body, std::string type = "text/plain") {
  http_answer x;
  x.status = status;
  x.content_type = std::move(type);
  x.body = std::move(body);
  return x;
}

route route_of(const std::string& path) {
  if (path == "/v1/chat/completions")
    return route::chat;
  if (path.starts_with("/v1/memories") || path.starts_with("/v1/users/"))
    return route::memories;
  if (path == "/v1/models")
    return route::models;
  if (path == "/v1/embeddings")
    return route::embeddings;
  if (path == "/v1/emotions")
    return route::emotions;
  if (path.starts_with("/api/"))
    return route::plain_chat;
  if (path == "/livez" || path == "/readyz" || path == "/metrics")
    return route::health;
  return route::other;
}

/// Errors of the original's surface are plain: {"error": "..."}.
http_answer plain_error(const failure& why) {
  auto x = error_answer(why);
  nlohmann::json body{{"error", why.message}, {"success", false}};
  x.body = dump(body);
  return x;
}

} // namespace

void connection_state::request(http_call call) {
  work_ = {};
  work_.done = false;
  work_.received = call.received;
  work_.on = route_of(call.path);
  who_ = call.who;
  failure why;
  auto level = priority::normal;
  if (!call.priority.empty()) {
    auto given = priority_from(call.priority);
    work_.level_given = given.has_value();
    if (given)
      level = *given;
    else
      why = {ec::invalid, "'Sotto-Priority' must be critical, high, normal, low or background",
             "Sotto-Priority"};
  }
  work_.lowered = !call.priority.empty() && who_.allowed(level) != level;
  work_.ctx = self_->services().new_flow(self_->nanos(), 0, who_.allowed(level));
  work_.ctx.tenant = tenant_number(who_.tenant);
  if (auto given = context_from_traceparent(call.traceparent))
    work_.ctx.join(*given);
  work_.trace = trace_id(work_.ctx);
  if (!why && call.idempotency_key.size() > max_key)
    why = {ec::invalid, "'Idempotency-Key' is longer than 255 bytes", "Idempotency-Key"};
  if (why)
    return refuse(why);
  try {
    route_call(call);
  } catch (const std::exception& e) {
    spdlog::error("connection failed at a request to {}: {}", call.path, e.what());
    refuse({ec::internal, "the node failed at this request", {}});
  }
}

void connection_state::route_call(http_call& call) {
  switch (call.verb) {
  case http_verb::post:
    return route_post(call);
  case http_verb::get:
  case http_verb::head:
    return route_get(call);
  case http_verb::del:
    return route_delete(call);
  case http_verb::options: {
    auto x = text_answer(204, {}, {});
    x.headers.emplace_back("Allow", "GET, HEAD, POST, DELETE, OPTIONS");
    return answer(std::move(x));
  }
  case http_verb::other:
    break;
  }
  auto x = error_answer({ec::invalid, "this method is not served here", {}});
  x.status = 405;
  x.headers.emplace_back("Allow", "GET, HEAD, POST, DELETE, OPTIONS");
  answer(std::move(x));
}

void connection_state::route_post(http_call& call) {
  auto& path = call.path;
  if (to_->draining && path != "/v1/emotions" && path != "/v1/embeddings")
    return refuse({ec::unavailable, "the node is shutting down; try another or again", {}});
  if (path == "/v1/chat/completions")
    return chat(call);
  if (path == "/api/chat")
    return plain_chat(call);
  if (path == "/api/chat/batch")
    return plain_batch(call);
  if (path == "/v1/memories")
    return remember(call);
  if (path == "/v1/memories/search")
    return search(call);
  if (path == "/v1/emotions")
    return emotions(call);
  if (path == "/v1/embeddings")
    return embeddings(call);
  if (path == reembed_path)
    return reembed(true);
  if (path == cluster_drain_path || path == cluster_rebalance_path)
    return cluster(call);
  refuse({ec::not_found, "there is no POST " + path, {}});
}

http_answer connection_state::readiness() const {
  if (auto* why = to_->unready.load(); why && !to_->draining) {
    auto x = text_answer(503, std::string{why} + "\n");
    return x;
  }
  if (!to_->draining)
    return text_answer(200, "ready\n");
  auto x = text_answer(503, "shutting down\n");
  x.headers.emplace_back("Retry-After", "1");
  return x;
}

void connection_state::route_get(http_call& call) {
  auto& path = call.path;
  if (path == "/livez")
    return answer(text_answer(200, "alive\n"));
  if (path == "/readyz")
    return answer(readiness());
  if (path == "/metrics")
    return answer(text_answer(200, to_->metrics_text(), "text/plain; version=0.0.4"));
  if (path == "/v1/models") {
    http_answer x;
    x.body = model_list(to_->with, seconds_now());
    return answer(std::move(x));
  }
  if (path == "/") {
    auto x = text_answer(200, std::string{dashboard_page()}, "text/html; charset=utf-8");
    x.headers.emplace_back("Content-Security-Policy", page_policy);
    return answer(std::move(x));
  }
  if (path == "/api/bot-info")
    return answer(bot_info(to_->with, self_->unix_micros()));
  if (path == "/health" || path == "/status")
    return answer(nlohmann::json{{"status", "healthy"}, {"service", "sotto"}});
  if (path == "/ready") {
    auto x = readiness();
    x.content_type = "application/json";
    x.body = dump({{"status", x.status == 200 ? "ready" : "shutting down"}});
    return answer(std::move(x));
  }
  if (path == reembed_path)
    return reembed(false);
  if (path == cluster_path)
    return cluster(call);
  if (path == traces_path || path.starts_with(trace_prefix))
    return traces(call);
  if (path != "/v1/memories")
    return refuse({ec::not_found, "there is no GET " + path, {}});
  failure why;
  auto query = read_page(call.query, who_.tenant, why);
  if (why)
    return refuse(why);
  self_->request(to_->home_of(query.owner), patience(), within(work_.ctx), atom::list_v, query)
      .then([this](memory_page& x) { answer(page_answer(x)); },
            [this](const caf::error& err) { refuse(to_failure(err)); });
}

void connection_state::route_delete(http_call& call) {
  constexpr std::string_view memories = "/v1/memories/", users = "/v1/users/";
  if (call.path.starts_with(users) && call.path.size() > users.size()) {
    owner_key owner{who_.tenant, percent_decode(std::string_view{call.path}.substr(users.size()))};
    return forget(
        work_.ctx, owner, [this](nlohmann::json x) { answer(x); },
        [this](const failure& x) { refuse(x); });
  }
  if (!call.path.starts_with(memories) || call.path.size() == memories.size())
    return refuse({ec::not_found, "there is no DELETE " + call.path, {}});
  owner_key owner{who_.tenant, query_value(call.query, "user")};
  if (owner.owner.empty())
    return refuse({ec::invalid, "'user' is required", "user"});
  auto id = percent_decode(std::string_view{call.path}.substr(memories.size()));
  self_->request(to_->home_of(owner), patience(), within(work_.ctx), atom::remove_v, owner, id)
      .then(
          [this, id](bool removed) {
            if (removed)
              answer(nlohmann::json{{"id", id}, {"deleted", true}});
            else
              refuse({ec::not_found, "this user has no memory with this id", "id"});
          },
          [this](const caf::error& err) { refuse(to_failure(err)); });
}

void connection_state::chat(const http_call& call) {
  failure why;
  work_.chat = read_chat(call, to_->with, why);
  if (why)
    return refuse(why);
  if (work_.chat.pass_through) {
    generate(work_.ctx, work_.chat.direct);
    return;
  }
  auto turn = work_.chat.turn;
  if (turn.owner.owner.empty())
    turn.conversation = nobodys_conversation(turn, work_.ctx);
  say(work_.ctx, std::move(turn), {});
}

void connection_state::plain_chat(const http_call& call) {
  failure why;
  static_cast<plain_chat_call&>(work_.batch) =
      read_plain_chat(call.body, who_.tenant, to_->with, why);
  if (why)
    return answer(plain_error(why));
  work_.as = shape::plain;
  say(work_.ctx, work_.batch.turns[0], {});
}

void connection_state::plain_batch(const http_call& call) {
  failure why;
  work_.batch = read_plain_batch(call.body, who_.tenant, to_->with, why);
  if (why)
    return answer(plain_error(why));
  work_.as = shape::plain_batch;
  work_.first_ticket = next_ticket_;
  work_.results.resize(work_.batch.turns.size());
  for (size_t i = 0; i < work_.batch.turns.size(); ++i) {
    if (!work_.batch.problems[i]) {
      say(work_.ctx, work_.batch.turns[i], {});
      ++work_.left;
      continue;
    }
    ++next_ticket_; // tickets count the places
    work_.results[i] = plain_chat_failure(work_.batch.problems[i], to_->with.default_persona,
                                          self_->unix_micros());
  }
  if (work_.left == 0)
    answer_batch();
}

void connection_state::answer_batch() {
  answer(plain_batch_answer(std::move(work_.results), work_.batch, to_->with.default_persona,
                            self_->unix_micros()));
}

void connection_state::remember(const http_call& call) {
  failure why;
  auto body = parse_json(call.body, why);
  auto ask = std::make_shared<remember_call>();
  if (!why)
    *ask = read_remember(body, who_.tenant, why);
  if (why)
    return refuse(why);
  remember_all(
      work_.ctx, ask, [this, ask](auto& receipts) { answer(remember_answer(*ask, receipts)); },
      [this](const failure& x) { refuse(x); });
}

void connection_state::search(const http_call& call) {
  failure why;
  auto body = parse_json(call.body, why);
  memory_query query;
  if (!why)
    query = read_search(body, who_.tenant, why);
  if (why)
    return refuse(why);
  recall(
      work_.ctx, std::move(query),
      [this](const std::vector<recalled>& x) { answer(search_answer(x)); },
      [this](const failure& x) { refuse(x); });
}

void connection_state::reembed(bool start) {
  if (!to_->reembed)
    return refuse({ec::invalid,
                   "the built-in embedder's vectors are not stored: there is nothing to embed anew",
                   {}});
  auto ctx = self_->child(work_.ctx);
  auto done = [this](const reembed_progress& x) { answer(to_json_value(x)); };
  auto fail = [this](const caf::error& err) { refuse(to_failure(err)); };
  if (start)
    self_->request(to_->reembed, patience(), ctx, atom::run_v).then(done, fail);
  else
    self_->request(to_->reembed, patience(), ctx, atom::list_v).then(done, fail);
}

void connection_state::answer(const nlohmann::json& body) {
  http_answer x;
  x.body = dump(body);
  answer(std::move(x));
}

void connection_state::refuse(const failure& why) {
  auto x = work_.on == route::plain_chat ? plain_error(why) : error_answer(why);
  if (why.code == ec::overloaded)
    x.headers.emplace_back("Sotto-Overload", to_string(to_->load->step.load()));
  answer(std::move(x));
}

void connection_state::answer(http_answer x) {
  if (std::exchange(work_.done, true) || !channel_)
    return;
  to_->metrics.answered(work_.on, x.status,
                        static_cast<double>(self_->nanos() - work_.received) / 1e9);
  if (work_.streaming)
    return channel_->end();
  x.headers.emplace_back("Sotto-Trace", work_.trace);
  x.headers.emplace_back("x-request-id", work_.trace);
  if (work_.lowered)
    x.headers.emplace_back("Sotto-Priority", to_string(work_.ctx.level));
  channel_->respond(std::move(x));
}

} // namespace sotto
