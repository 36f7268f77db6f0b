#pragma once

#include <string>

#include <caf/expected.hpp>

namespace sotto {

/// SHA-256 of the certificate in a PEM file, as hex digits: what tells one cluster's authority from
/// another's. Fails with `ec::invalid`.
caf::expected<std::string> authority_fingerprint(const std::string& file);

} // namespace sotto
