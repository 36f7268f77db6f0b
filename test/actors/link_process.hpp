#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include <unistd.h>

#include "actors/links.hpp"
#include "actors/route.hpp"
#include "runtime/certificates.hpp"
#include "runtime/secure_links.hpp"

namespace sotto::test {

/// A folder of certificates, removed in the end.
class certificate_folder {
public:
  certificate_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sotto-links-XXXXXX").string();
    path_ = mkdtemp(name.data());
    authority = *make_authority("cluster", 30);
    write("ca.pem", authority.certificate);
  }
  ~certificate_folder() { std::filesystem::remove_all(path_); }
  certificate_folder(const certificate_folder&) = delete;
  certificate_folder& operator=(const certificate_folder&) = delete;

  std::string file(const std::string& name) const { return path_ / name; }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream{file(name)} << text;
  }

  void issue(const std::string& name, const certificate_pair& from, uint32_t days = 30) const {
    auto x = *make_certificate(from, name, {"127.0.0.1"}, days);
    write(name + ".pem", x.certificate);
    write(name + ".key", x.key);
  }

  /// The options of a node with a certificate of its own.
  link_options options(const std::string& name) const {
    issue(name, authority);
    link_options x;
    x.listen = "127.0.0.1:0";
    x.certificate = file(name + ".pem");
    x.key = file(name + ".key");
    x.ca = file("ca.pem");
    return x;
  }

  certificate_pair authority;

private:
  std::filesystem::path path_;
};

/// Waits for what other threads bring about; false: it did not come in half a minute.
inline bool comes(const std::function<bool()>& what) {
  for (auto until = monotonic_nanos() + 30'000'000'000; monotonic_nanos() < until;) {
    if (what())
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return false;
}

/// A partition that echoes, used by several threads.
struct echo_world {
  std::atomic<int> said{0}, cancelled{0}, lost{0};
};

inline listened_partition_actor::behavior_type echo_home(listened_partition_actor::pointer self,
                                                         std::shared_ptr<echo_world> w) {
  return {
      [](const context&, atom::recall, const memory_query& x) {
        recalled y;
        y.what.text = x.text;
        return std::vector<recalled>{y};
      },
      [](const context&, atom::remember, const memory_write&) { return memory_receipt{}; },
      [](const context&, atom::list, const memory_page_query&) { return memory_page{}; },
      [](const context&, atom::remove, const owner_key&, const std::string&) { return true; },
      [](const context&, atom::forget, const spoken_by&) { return spoken_receipt{}; },
      [](const context&, atom::forget, const owner_key&) { return forget_receipt{}; },
      [=](const context& ctx, atom::say, const turn_client_actor& client, uint64_t ticket,
          const turn_request& x) {
        ++w->said;
        if (x.text == "silence")
          return;
        if (x.stream)
          self->send(client, ctx, atom::token_v, ticket, stream_piece{0, x.text});
        turn_reply reply;
        reply.text = x.text;
        self->send(client, ctx, atom::completed_v, ticket, std::move(reply));
      },
      [=](const context&, atom::cancel, const turn_client_actor&, uint64_t, const owner_key&,
          const std::string&, bool lost) { ++(lost ? w->lost : w->cancelled); },
      [](const context&, atom::drain) { return atom::drained_v; },
      [](const context&, atom::tick) {},
      [](const context&, atom::subscribe, const event_client_actor&, const owner_key&,
         const std::string&, const subscription&) {},
  };
}

/// A node with an actor system of its own, its links over real TLS.
class linked_node {
public:
  linked_node(std::string name, const link_options& with, uint32_t partitions = 8)
      : name(name), services(std::make_shared<node_services>(std::hash<std::string>{}(name) | 1)),
        config(services), partitions_(partitions) {
    if (auto why = enable_links(config, with))
      throw std::runtime_error(why.message);
    config.set("scheduler.max-threads", size_t{2});
    system = std::make_unique<caf::actor_system>(config);
    home = system->spawn(echo_home, world);
    route_parts ways;
    ways.options = with;
    ways.partitions = partitions;
    route = system->spawn(sotto::route, std::move(ways));
    link_parts parts;
    parts.options = with;
    parts.self.cluster = "test";
    parts.self.node = name;
    parts.self.incarnation = "1";
    parts.self.version = "0.1.0";
    parts.turns = [this](uint32_t) { return owns ? turn_home_actor{home} : turn_home_actor{}; };
    parts.home = [this](uint32_t) { return owns ? home : listened_partition_actor{}; };
    parts.dial = [with](const link_actor& to, const std::string& host, uint16_t at) {
      dial_link(to, host, at, with.connect_timeout);
    };
    links = system->spawn(sotto::links, std::move(parts), route);
    port = *open_link_door(links, with);
  }

  ~linked_node() {
    for (auto& x : {caf::actor_cast<caf::actor>(links), caf::actor_cast<caf::actor>(route),
                    caf::actor_cast<caf::actor>(home)})
      caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
    owns = false;
    links = links_actor{};
    route = route_actor{};
    system->await_all_actors_done();
    home = listened_partition_actor{};
    system.reset();
  }

  void know(std::vector<link_member> all) {
    caf::anon_send<caf::message_priority::high>(links, context{}, atom::members_v, std::move(all));
  }

  void all_live_at(const std::string& node) {
    for (uint32_t i = 0; i < partitions_; ++i)
      caf::anon_send<caf::message_priority::high>(route, context{}, atom::place_v, i,
                                                  route_place{route_place::kind::peer, {}, node});
  }

  link_member member() const { return {name, "127.0.0.1", port}; }

  std::vector<link_state_report> states() {
    std::vector<link_state_report> result;
    caf::scoped_actor self{*system};
    self->request(links, std::chrono::seconds{10}, context{}, atom::list_v)
        .receive([&](std::vector<link_state_report>& x) { result = std::move(x); },
                 [](caf::error&) {});
    return result;
  }

  bool linked() {
    auto all = states();
    return !all.empty() && all[0].up;
  }

  std::string why() {
    auto all = states();
    return all.empty() ? "" : all[0].why;
  }

  /// Asks through ROUTE; the answer's text, or why there is none.
  std::string recall(const std::string& text, caf::timespan timeout = std::chrono::seconds{20}) {
    memory_query x;
    x.owner = {"default", "ada"};
    x.text = text;
    std::string result;
    caf::scoped_actor self{*system};
    self->request(route, timeout, context{}, atom::recall_v, std::move(x))
        .receive([&](std::vector<recalled>& y) { result = y.at(0).what.text; },
                 [&](caf::error& err) { result = "failed: " + to_failure(err).message; });
    return result;
  }

  std::string name;
  std::shared_ptr<node_services> services;
  node_config config;
  std::unique_ptr<caf::actor_system> system;
  std::shared_ptr<echo_world> world = std::make_shared<echo_world>();
  std::atomic<bool> owns{false};
  listened_partition_actor home;
  route_actor route;
  links_actor links;
  uint16_t port = 0;

private:
  uint32_t partitions_;
};

/// What a client of turns heard.
struct heard {
  std::mutex mutex;
  std::map<uint64_t, std::string> replies, streams;
  std::map<uint64_t, failure> failures;

  std::string reply(uint64_t ticket) {
    std::lock_guard guard{mutex};
    return replies.contains(ticket) ? replies[ticket] : "";
  }
  size_t count() {
    std::lock_guard guard{mutex};
    return replies.size() + failures.size();
  }
};

inline turn_client_actor::behavior_type listening_client(turn_client_actor::pointer,
                                                         std::shared_ptr<heard> to) {
  return {[=](const context&, atom::token, uint64_t ticket, const stream_piece& x) {
            std::lock_guard guard{to->mutex};
            to->streams[ticket] += x.text;
          },
          [](const context&, atom::resumed, uint64_t, bool) {},
          [=](const context&, atom::completed, uint64_t ticket, const turn_reply& x) {
            std::lock_guard guard{to->mutex};
            to->replies[ticket] = x.text;
          },
          [=](const context&, atom::failed, uint64_t ticket, const failure& why) {
            std::lock_guard guard{to->mutex};
            to->failures[ticket] = why;
          }};
}

} // namespace sotto::test
