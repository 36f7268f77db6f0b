#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <caf/expected.hpp>

#include "messages/error.hpp"

namespace sotto {

/// A certificate and its private key, as PEM.
struct certificate_pair {
  std::string certificate;
  std::string key;
};

/// Makes an authority (ECDSA P-256, signed by itself) that may sign certificates and nothing else.
/// Fails with `ec::internal`.
caf::expected<certificate_pair> make_authority(const std::string& name, uint32_t days);

/// Makes a certificate for both ends of a connection, signed by `authority`. `hosts` are names and
/// IP addresses. Fails with `ec::invalid` where the authority cannot be read.
caf::expected<certificate_pair> make_certificate(const certificate_pair& authority,
                                                 const std::string& name,
                                                 const std::vector<std::string>& hosts,
                                                 uint32_t days);

/// Makes a certificate for a C++ frontend: for the client's end only, which is what tells it from a
/// node's (`frontend_of`). With a tenant it acts for that one and no other. Fails as
/// `make_certificate` does.
caf::expected<certificate_pair> make_frontend_certificate(const certificate_pair& authority,
                                                          const std::string& name,
                                                          const std::string& tenant, uint32_t days);

} // namespace sotto
