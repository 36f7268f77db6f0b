#pragma once

#include <deque>
#include <map>

#include "actors/links.hpp"
#include "actors/llm_route.hpp"
#include "actors/route.hpp"
#include "test/actors/turn_fixture.hpp"

namespace sotto::test {

inline constexpr uint32_t link_partitions = 8;

/// What a partition of a node was asked, and how it answers.
struct home_world {
  struct turn {
    context ctx;
    turn_client_actor client;
    uint64_t ticket = 0;
    turn_request request;
  };
  /// Turns are answered at once with `NODE: text`, in pieces where a stream is wanted.
  bool answers = true;
  std::string node;
  std::vector<std::string> said;
  std::vector<turn> open;
  /// Cancelled tickets; true: the client was lost.
  std::vector<std::pair<uint64_t, bool>> cancelled;
  std::vector<memory_write> written;
  failure fails;
  std::vector<event_client_actor> listeners;
  std::vector<subscription> subscriptions;
  int recalls = 0;
};

using home_ptr = std::shared_ptr<home_world>;

inline listened_partition_actor::behavior_type fake_home(listened_partition_actor::pointer self,
                                                         home_ptr w) {
  return {
      [=](const context&, atom::recall,
          const memory_query& x) -> caf::result<std::vector<recalled>> {
        ++w->recalls;
        if (w->fails)
          return to_error(w->fails);
        if (!w->answers)
          return self->make_response_promise<std::vector<recalled>>();
        recalled y;
        y.what.text = w->node + ": " + x.text;
        return std::vector<recalled>{y};
      },
      [=](const context&, atom::remember, memory_write& x) -> caf::result<memory_receipt> {
        if (w->fails)
          return to_error(w->fails);
        w->written.push_back(std::move(x));
        if (!w->answers)
          return self->make_response_promise<memory_receipt>();
        return memory_receipt{{"a", "b"}, {true, false}, {7, 0}};
      },
      [=](const context&, atom::list, const memory_page_query& x) {
        memory_page page;
        page.next = x.after + "+";
        return page;
      },
      [](const context&, atom::remove, const owner_key&, const std::string& id) {
        return id == "there";
      },
      [](const context&, atom::forget, const spoken_by& x) {
        return spoken_receipt{{{x.user.tenant, "channel:den"}}, 10 + x.partition};
      },
      [](const context&, atom::forget, const owner_key& owner) {
        return forget_receipt{owner, 3, 99};
      },
      [=](const context& ctx, atom::say, const turn_client_actor& client, uint64_t ticket,
          turn_request& x) {
        w->said.push_back(x.text);
        if (!w->answers) {
          w->open.push_back({ctx, client, ticket, std::move(x)});
          return;
        }
        turn_reply reply;
        reply.text = w->node + ": " + x.text;
        reply.analyses["colour"] = {"red", "blue"};
        if (x.resume_from >= 0)
          self->send(client, ctx, atom::resumed_v, ticket, true);
        if (x.stream)
          for (size_t i = 0; i < reply.text.size(); ++i)
            self->send(client, ctx, atom::token_v, ticket,
                       stream_piece{i, reply.text.substr(i, 1)});
        self->send(client, ctx, atom::completed_v, ticket, std::move(reply));
      },
      [=](const context&, atom::cancel, const turn_client_actor&, uint64_t ticket, const owner_key&,
          const std::string&, bool lost) { w->cancelled.emplace_back(ticket, lost); },
      [](const context&, atom::drain) { return atom::drained_v; },
      [](const context&, atom::tick) {},
      [=](const context&, atom::subscribe, const event_client_actor& client, const owner_key&,
          const std::string&, const subscription& x) {
        w->listeners.push_back(client);
        w->subscriptions.push_back(x);
      },
  };
}

/// The connection between two nodes: it can be cut, and it can stop to carry anything.
struct wire {
  bool stopped = false, refuses = false;
  size_t frames = 0;
  std::vector<link_frame> seen;
  std::vector<std::function<void()>> held;
  std::vector<caf::actor> ends;

  void carry(std::function<void()> what) {
    if (stopped)
      held.push_back(std::move(what));
    else
      what();
  }

  void go_on() {
    stopped = false;
    for (auto& x : std::exchange(held, {}))
      x();
  }

  void cut() {
    held.clear();
    for (auto& x : std::exchange(ends, {}))
      caf::anon_send_exit(x, caf::exit_reason::kill);
  }
};

using wire_ptr = std::shared_ptr<wire>;

/// What one LINK sees instead of the other.
inline link_peer_actor::behavior_type wire_end(link_peer_actor::pointer self, link_peer_actor to,
                                               wire_ptr w) {
  constexpr auto high = caf::message_priority::high;
  w->ends.push_back(caf::actor_cast<caf::actor>(self));
  return {
      [=](const context& ctx, atom::welcome v, const link_hello& who, uint64_t session,
          const caf::strong_actor_ptr& x) {
        auto end = self->home_system().spawn(wire_end, caf::actor_cast<link_peer_actor>(x), w);
        self->send<high>(to, ctx, v, who, session, caf::actor_cast<caf::strong_actor_ptr>(end));
      },
      [=](const context& ctx, atom::refused v, uint64_t session, const failure& why) {
        self->send<high>(to, ctx, v, session, why);
      },
      [=](const context& ctx, atom::frames v, uint64_t session, const std::vector<link_frame>& xs) {
        w->frames += xs.size();
        w->seen.insert(w->seen.end(), xs.begin(), xs.end());
        w->carry([=] { caf::anon_send<high>(to, ctx, v, session, xs); });
      },
      [=](const context& ctx, atom::credit v, uint64_t session, uint64_t n, uint64_t bytes) {
        w->carry([=] { caf::anon_send<high>(to, ctx, v, session, n, bytes); });
      },
  };
}

/// A node as far as links go.
struct link_node {
  std::string name;
  std::string cluster = "one";
  home_ptr world = std::make_shared<home_world>();
  std::set<uint32_t> owned;
  listened_partition_actor home;
  /// Where turns wait; nobody: they go to `home`.
  turn_gate_actor gate;
  /// What it may serve: everything, under epoch 0.
  std::shared_ptr<fence> claims = std::make_shared<fence>("1");
  std::shared_ptr<serving_lease> lease = std::make_shared<serving_lease>(claims);
  /// Who generates for the other node; nobody: it has not the role.
  llm_actor models;
  std::shared_ptr<std::atomic<size_t>> generating;
  llm_route_actor llm_route;
  route_actor route;
  links_actor links;
};

/// Two nodes, `a` and `b`, and the wire between them.
class link_fixture : public turn_fixture {
public:
  explicit link_fixture(uint64_t seed = 1, link_options with = {}, link_hello of_b = {})
      : turn_fixture(seed), connection(std::make_shared<wire>()) {
    start(a, "a", with, {});
    start(b, "b", with, of_b);
  }

  ~link_fixture() { connection->cut(); }

  /// A client with the world `w`, such as a socket.
  turn_client_actor new_client(world_ptr w) { return spawn(fake_client, std::move(w)); }

  void meet() {
    caf::anon_send(a.links, context{}, atom::members_v,
                   std::vector<link_member>{{"b", "host-b", 1}, {"a", "host-a", 1}});
    caf::anon_send(b.links, context{}, atom::members_v,
                   std::vector<link_member>{{"a", "host-a", 1}});
    run();
  }

  /// Says where all partitions live, as `of` sees it.
  void place_all(link_node& of, route_place x) {
    for (uint32_t i = 0; i < link_partitions; ++i)
      caf::anon_send<caf::message_priority::high>(of.route, context{}, atom::place_v, i, x);
    run();
  }

  static route_place at_peer(std::string node) {
    return {route_place::kind::peer, {}, std::move(node)};
  }
  static route_place at_home(const link_node& x) { return {route_place::kind::here, x.home, {}}; }
  static route_place nowhere() { return {}; }

  void own_all(link_node& x) {
    for (uint32_t i = 0; i < link_partitions; ++i)
      x.owned.insert(i);
  }

  /// `b` owns everything, `a` knows it.
  void b_owns_all() {
    own_all(b);
    meet();
    place_all(a, at_peer("b"));
  }

  void ask_turn(uint64_t ticket, std::string text, std::string key = "", bool stream = false,
                priority level = priority::normal, caf::timespan budget = caf::timespan{0}) {
    auto x = request(std::move(text), "companion", "ada", stream);
    x.idempotency_key = std::move(key);
    caf::anon_send(a.route, flow(level, budget), atom::say_v, client(), ticket, std::move(x));
  }

  wire_ptr connection;
  link_node a, b;
  /// Tries to connect.
  int dials = 0;
  /// The next try fails in a way that nobody foresaw.
  bool dial_breaks = false;

private:
  void start(link_node& x, std::string name, const link_options& with, const link_hello& as) {
    x.name = x.world->node = name;
    x.home = spawn(fake_home, x.world);
    x.lease->until(INT64_MAX);
    for (uint32_t i = 0; i < link_partitions; ++i)
      x.claims->allow(i, 0);
    route_parts ways;
    ways.options = with;
    ways.partitions = link_partitions;
    ways.gate = [&x] { return x.gate; };
    ways.lease = x.lease;
    x.route = spawn(route, std::move(ways));
    link_parts parts;
    parts.options = with;
    parts.self = as;
    parts.self.node = std::move(name);
    if (parts.self.cluster.empty())
      parts.self.cluster = "one";
    parts.self.incarnation = "1";
    parts.self.version = "0.1.0";
    parts.turns = [&x](uint32_t p) {
      auto here = x.gate ? turn_home_actor{x.gate} : turn_home_actor{x.home};
      return x.owned.contains(p) ? here : turn_home_actor{};
    };
    parts.home = [&x](uint32_t p) {
      return x.owned.contains(p) ? x.home : listened_partition_actor{};
    };
    parts.models = [&x] { return x.models; };
    x.generating = parts.generating;
    x.llm_route = spawn(llm_route, with, llm_options{}, llm_actor{});
    parts.llm_route = x.llm_route;
    parts.dial = [this](const link_actor& from, const std::string&, uint16_t) {
      ++dials;
      if (std::exchange(dial_breaks, false))
        throw std::runtime_error{"broken on purpose"};
      if (connection->refuses)
        caf::anon_send<caf::message_priority::high>(
            from, context{}, atom::failed_v, failure{ec::unavailable, "nobody is there", {}});
      else
        caf::anon_send<caf::message_priority::high>(from, context{}, atom::connected_v,
                                                    system->spawn(wire_door, b.links, connection));
    };
    x.links = spawn(links, std::move(parts), x.route);
  }

  /// The door of `b` as `a` sees it. Ends when it was used.
  static link_door_actor::behavior_type wire_door(link_door_actor::pointer self, links_actor to,
                                                  wire_ptr w) {
    return {[=](const context& ctx, atom::hello v, const link_hello& who, uint64_t session,
                const caf::strong_actor_ptr& x) {
      auto end = self->home_system().spawn(wire_end, caf::actor_cast<link_peer_actor>(x), w);
      self->send(to, ctx, v, who, session, caf::actor_cast<caf::strong_actor_ptr>(end));
      self->quit();
    }};
  }
};

inline memory_query query(std::string text) {
  memory_query x;
  x.owner = {"default", "ada"};
  x.text = std::move(text);
  x.vector = {0.5F, -1.25F};
  return x;
}

/// As much as there can be in a write.
inline memory_write write_of(std::vector<std::string> ids) {
  memory_write x;
  x.owner = {"default", "ada"};
  for (auto& id : ids) {
    memory m;
    m.id = id;
    m.text = "text of " + id;
    m.own = true;
    m.seq = 5;
    x.memories.push_back(m);
  }
  x.vectors = {{1, 2}};
  x.turns.resize(1);
  x.summaries.resize(1);
  x.authors = {"ada", "bob"};
  return x;
}

} // namespace sotto::test
