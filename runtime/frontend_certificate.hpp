#pragma once

#include <optional>
#include <string>

#include <openssl/ssl.h>

/// Nodes and C++ frontends have certificates of one authority. A node's is for servers and clients,
/// a frontend's for clients only: so it cannot pass for a node where it connects, because nobody
/// takes it for a server, and must not where a node is connected to.
namespace sotto {

/// Who holds a frontend's certificate.
struct frontend_holder {
  std::string name;
  /// Empty: the certificate names none.
  std::string tenant;
};

/// Who is at the other end of a connection that was accepted; nothing where it is a node.
std::optional<frontend_holder> frontend_of(SSL* connection);

/// Lets frontends in where this is used for accepting. Everywhere else that a certificate is asked
/// for they are turned away during the handshake (openssl_errors.cpp).
void let_frontends_in(SSL_CTX* with);

/// Whether the handshake that has just succeeded was with one who may not come in here.
bool turns_away(SSL* connection);

} // namespace sotto
