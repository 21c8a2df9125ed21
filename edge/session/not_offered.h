#pragma once

#include "edge/codec/client_messages.h"
#include "edge/session/router.h"

namespace covet::edge {

// Answers requests for what this deployment does not offer (`capabilities` of connection_ack):
// RPC and files. It knows no method, and takes no upload.
class NotOffered final : public RequestHandler {
 public:
  void Handle(Session& session, const ClientMessage& message) override;
};

}  // namespace covet::edge
