#include <utility>

#include "edge/transport/http_session.h"
#include "edge/transport/session.h"
#include "edge/transport/tls_stream.h"

namespace covet::edge {

void StartTlsSession(EdgeLoop* loop, TcpSocket socket, net::ssl::context* context, std::string peer,
                     int64_t deadline_ms) {
  HttpSession<TlsStream>::Start(loop, TlsStream(std::move(socket), *context), std::move(peer),
                                deadline_ms);
}

}  // namespace covet::edge
