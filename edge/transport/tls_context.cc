#include "edge/transport/tls_context.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <openssl/ssl.h>

namespace covet::edge {

absl::StatusOr<std::unique_ptr<boost::asio::ssl::context>> MakeTlsContext(
    const std::string& certificate_chain_file, const std::string& private_key_file) {
  namespace ssl = boost::asio::ssl;
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(),
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // An idle connection gives its record buffers back.
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  boost::system::error_code error;
  context->use_certificate_chain_file(certificate_chain_file, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("TLS certificate ", certificate_chain_file, ": ", error.message()));
  }
  context->use_private_key_file(private_key_file, ssl::context::pem, error);
  if (error || SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("TLS key ", private_key_file, ": ",
                     error ? error.message() : "does not match the certificate"));
  }
  return context;
}

}  // namespace covet::edge
