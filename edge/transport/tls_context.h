#pragma once

#include <absl/status/statusor.h>

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

namespace covet::edge {

// A server's TLS settings: 1.2 or later, the given PEM certificate chain and key.
// FAILED_PRECONDITION names what could not be used.
absl::StatusOr<std::unique_ptr<boost::asio::ssl::context>> MakeTlsContext(
    const std::string& certificate_chain_file, const std::string& private_key_file);

}  // namespace covet::edge
