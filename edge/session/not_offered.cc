#include "edge/session/not_offered.h"

#include <string>
#include <variant>

#include "edge/session/error_replies.h"
#include "edge/session/session.h"

namespace covet::edge {

void NotOffered::Handle(Session& session, const ClientMessage& message) {
  if (const auto* call = std::get_if<RpcCallMessage>(&message.body)) {
    return session.Refuse(message, MakeErrorMessage(ErrorCode::kMethodNotFound, "no such method",
                                                    {{"method", std::string(call->method)}}));
  }
  // No call is in flight that could be cancelled.
  if (std::holds_alternative<RpcCancelMessage>(message.body)) return;
  if (const auto* chunk = std::get_if<FileChunkMessage>(&message.body); chunk && chunk->raw) {
    return session.Refuse(
        message,
        MakeErrorMessage(ErrorCode::kInvalidMessageFormat, "binary frames are not offered",
                         {{"field", "$"}, {"expected", "a text frame"}, {"received", "binary"}}));
  }
  session.Refuse(message, MakeErrorMessage(ErrorCode::kUnavailable, "file uploads are not offered",
                                           {{"reason", "NOT_OFFERED"}}));
}

}  // namespace covet::edge
