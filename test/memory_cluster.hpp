#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "runtime/cluster_store.hpp"

namespace sotto::test {

/// What stands in for the database: rows, and a clock that the test sets.
struct memory_database {
  struct node_entry {
    cluster_member row;
    int64_t seen = 0, lease = 0;
  };

  bool live(const std::string& name, const std::string& incarnation) const {
    auto it = nodes.find(name);
    return it != nodes.end() && it->second.row.incarnation == incarnation
           && it->second.seen + it->second.lease > now();
  }
  bool takes(const std::string& name) const {
    auto it = nodes.find(name);
    return it != nodes.end() && live(name, it->second.row.incarnation) && !it->second.row.draining;
  }
  void notify(const void* by) {
    for (auto& [who, call] : listeners)
      if (who != by)
        call();
  }

  std::function<int64_t()> now;
  std::optional<cluster_identity> cluster;
  std::map<std::string, node_entry> nodes;
  std::vector<cluster_departure> departures;
  std::vector<partition_row> partitions;
  std::vector<int64_t> changed;
  std::map<const void*, std::function<void()>> listeners;
  /// Rows that somebody has locked: claims leave them out.
  std::set<uint32_t> locked;
  /// Statements served.
  uint64_t calls = 0;
};

/// One node's way to it. `fault` is called before and after each call does its work and may let
/// time pass; false: the connection breaks there.
class memory_cluster : public cluster_store {
public:
  explicit memory_cluster(std::shared_ptr<memory_database> db) : db_(std::move(db)) {}
  ~memory_cluster() override { db_->listeners.erase(this); }

  std::function<bool()> fault = [] { return true; };

  caf::expected<join_outcome> join(const cluster_identity& cluster, const cluster_node& self,
                                   caf::timespan lease) override {
    return run<join_outcome>([&]() -> caf::expected<join_outcome> {
      if (!db_->cluster) {
        db_->cluster = cluster;
        for (uint32_t i = 0; i < cluster.partitions; ++i)
          db_->partitions.push_back({i, {}, {}, 0, {}, 0});
        db_->changed.assign(cluster.partitions, db_->now());
      }
      if (db_->cluster->partitions != cluster.partitions || db_->cluster->ca != cluster.ca)
        return to_error({ec::invalid, "another cluster", {}});
      auto it = db_->nodes.find(self.name);
      if (it != db_->nodes.end() && it->second.row.incarnation != self.incarnation
          && db_->live(self.name, it->second.row.incarnation))
        return join_outcome{it->second.seen + it->second.lease - db_->now(),
                            it->second.row.incarnation, it->second.row.link};
      self_ = self;
      cluster_member row;
      static_cast<cluster_node&>(row) = self;
      db_->nodes[self.name] = {row, db_->now(), lease.count()};
      db_->notify(this);
      return join_outcome{};
    });
  }

  caf::expected<cluster_look> look(bool renew, const cluster_load& load) override {
    return run<cluster_look>([&]() -> caf::expected<cluster_look> {
      cluster_look result;
      auto it = db_->nodes.find(self_.name);
      result.known = it != db_->nodes.end() && it->second.row.incarnation == self_.incarnation;
      if (renew && result.known) {
        it->second.seen = db_->now();
        it->second.row.load = load;
      }
      result.departures = db_->departures;
      for (auto& [name, x] : db_->nodes) {
        result.members.push_back(x.row);
        result.members.back().live = db_->live(name, x.row.incarnation);
        result.members.back().lease_left = std::max<int64_t>(x.seen + x.lease - db_->now(), 0);
      }
      for (size_t i = 0; i < db_->partitions.size(); ++i) {
        result.partitions.push_back(db_->partitions[i]);
        result.partitions.back().age = db_->now() - db_->changed[i];
      }
      return result;
    });
  }

  caf::expected<std::vector<partition_epoch>>
  claim(std::span<const partition_epoch> wish) override {
    using list = std::vector<partition_epoch>;
    return run<list>([&]() -> caf::expected<list> {
      list got;
      for (auto& x : wish) {
        auto& row = db_->partitions[x.number];
        if (db_->locked.contains(x.number) || row.epoch != x.epoch || !db_->takes(self_.name)
            || !db_->live(self_.name, self_.incarnation)
            || (!row.node.empty() && !mine(row) && db_->live(row.node, row.incarnation)))
          continue;
        row = {x.number, self_.name, self_.incarnation, x.epoch + 1, {}, 0};
        db_->changed[x.number] = db_->now();
        got.push_back({x.number, row.epoch});
      }
      if (!got.empty())
        db_->notify(this);
      return got;
    });
  }

  failure want(std::span<const partition_epoch> wish) override {
    return each(wish, [this](partition_row& row) {
      if (!row.node.empty() && !mine(row) && (row.wanted.empty() || !db_->takes(row.wanted)))
        row.wanted = self_.name;
    });
  }

  failure release(std::span<const partition_epoch> wish) override {
    return each(wish, [this](partition_row& row) {
      if (!mine(row))
        return;
      row.node.clear();
      row.incarnation.clear();
    });
  }

  failure drain(const std::string& node, bool on) override {
    auto done = run<bool>([&]() -> caf::expected<bool> {
      auto it = db_->nodes.find(node);
      if (it == db_->nodes.end())
        return to_error({ec::not_found, "no such node", {}});
      it->second.row.draining = on;
      db_->notify(nullptr);
      return true;
    });
    return done ? failure{} : to_failure(done.error());
  }

  failure leave() override {
    auto done = run<bool>([&]() -> caf::expected<bool> {
      for (auto& row : db_->partitions)
        if (mine(row)) {
          row.node.clear();
          row.incarnation.clear();
        }
      db_->nodes.erase(self_.name);
      db_->departures.insert(db_->departures.begin(),
                             {self_.name, self_.incarnation, "left", db_->now() / 1000});
      db_->notify(this);
      return true;
    });
    return done ? failure{} : to_failure(done.error());
  }

  void on_change(std::function<void()> told) override {
    if (told)
      db_->listeners[this] = std::move(told);
    else
      db_->listeners.erase(this);
  }

private:
  bool mine(const partition_row& row) const {
    return row.node == self_.name && row.incarnation == self_.incarnation;
  }

  template <class T, class F>
  caf::expected<T> run(F work) {
    auto broken = to_error({ec::unavailable, "the database is gone", {}});
    if (!fault())
      return broken;
    ++db_->calls;
    caf::expected<T> result = work();
    if (!fault())
      return broken;
    return result;
  }

  template <class F>
  failure each(std::span<const partition_epoch> wish, F change) {
    auto done = run<bool>([&]() -> caf::expected<bool> {
      for (auto& x : wish) {
        if (db_->partitions[x.number].epoch != x.epoch)
          continue;
        change(db_->partitions[x.number]);
        db_->changed[x.number] = db_->now();
      }
      db_->notify(this);
      return true;
    });
    return done ? failure{} : to_failure(done.error());
  }

  std::shared_ptr<memory_database> db_;
  cluster_node self_;
};

} // namespace sotto::test
