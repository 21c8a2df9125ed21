#include <utility>

#include "edge/transport/http_session.h"
#include "edge/transport/plain_stream.h"
#include "edge/transport/session.h"

namespace covet::edge {

void StartPlainSession(EdgeLoop* loop, TcpSocket socket, std::string peer, int64_t deadline_ms) {
  HttpSession<PlainStream>::Start(loop, PlainStream(std::move(socket)), std::move(peer),
                                  deadline_ms);
}

}  // namespace covet::edge
