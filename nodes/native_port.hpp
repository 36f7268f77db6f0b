#pragma once

#include <memory>

#include "nodes/file_watcher.hpp"
#include "nodes/native_connection.hpp"
#include "nodes/native_server.hpp"
#include "nodes/node_frame.hpp"

namespace sotto {

/// A node's port for C++ frontends. Without `native.listen` there is none, and all functions do
/// nothing.
class native_port {
public:
  explicit native_port(const options& with) : with_(with) {}

  bool on() const { return !with_.native.listen.empty(); }

  /// Reads the certificates. Fails where one does not serve.
  failure prepare();

  /// Starts to accept frontends; `to` and `door` must outlive it.
  failure open(node_frame& in, std::shared_ptr<gateway_handles> to, const access& door);

  /// The certificates, to be read again when they change; make it before `prepare`.
  watched_files files();

  /// Keys have changed: those who came in with one that does not hold any more have to go.
  void check_callers();

  /// HOST:PORT that frontends of other nodes are told; empty: none can be.
  std::string address() const;

  /// Tells frontends where the cluster's nodes are from now on. After `open`, by one thread.
  void members(const std::vector<cluster_member>& all);

  /// Takes no more frontends and no more calls: their callers are told to ask another node.
  void leave();

  /// Waits so long for the answers of what runs.
  void drain(caf::timespan limit);

  /// After the reactor has stopped.
  void close() { server_.reset(); }

  /// Frontends that are linked.
  size_t open_sockets() const { return server_ ? server_->counts()->open.load() : 0; }

private:
  void reload();

  const options& with_;
  native_server::tls_context tls_;
  std::shared_ptr<native_server> server_;
  std::shared_ptr<native_places> places_ = std::make_shared<native_places>();
};

/// The addresses for frontends of the nodes that are live, serve frontends and stay.
std::vector<std::string> native_addresses(const std::vector<cluster_member>& all);

} // namespace sotto
