#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <caf/actor_system_config.hpp>
#include <caf/expected.hpp>

#include "config/link_options.hpp"
#include "messages/link.hpp"

/// CAF's network layer, always with mutual TLS: in plain text one packet of a stranger ends it.
namespace sotto {

/// Whose files they are.
enum class link_end : uint8_t { node, frontend };

/// Reads the certificate, the key and the authority, and says what is wrong with them: a file that
/// is missing or no PEM, a key of another certificate, a certificate that the authority did not
/// sign, that is out of date, or that is not for what its holder is: a node is both ends of a
/// connection, a C++ frontend the client's and no other.
failure check_link_files(const link_options& with, link_end whose = link_end::node);

/// Has the system that is made with `config` speak to others. Nothing else of a node does: without
/// this CAF opens no socket. Fails as `check_link_files` does.
failure enable_links(caf::actor_system_config& config, const link_options& with);

/// HOST:PORT; IPv6 addresses in brackets. Fails with `ec::invalid`.
caf::expected<std::pair<std::string, uint16_t>> parse_link_address(const std::string& text);

/// Opens the cluster port, with `door` behind it; the port that it got.
caf::expected<uint16_t> open_link_door(const link_door_actor& door, const link_options& with);

/// Starts to connect to the door of another node; `to` is told. Starts a thread, because CAF's
/// connecting blocks; a host that is silent is noticed before CAF is asked, so that it does not
/// delay others.
void dial_link(const link_actor& to, const std::string& host, uint16_t port, caf::timespan timeout);

/// Whether calls of OpenSSL by shared libraries empty its error queue first (openssl_errors.cpp).
bool clears_openssl_errors();

} // namespace sotto
