#pragma once

#include <memory>

#include <boost/asio/ssl/context.hpp>
#include <caf/expected.hpp>

#include "config/edge_options.hpp"

namespace sotto {

/// Reads the gateway's certificate and key: TLS 1.2 and 1.3, HTTP/1.1 by ALPN. Fails with
/// `ec::invalid` and what is wrong with which file.
caf::expected<std::shared_ptr<boost::asio::ssl::context>>
make_tls_context(const edge_options& options);

} // namespace sotto
