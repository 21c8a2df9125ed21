#include "edge/session/refused_session.h"

#include <string>
#include <utility>

#include "edge/frame/frame.h"
#include "edge/session/close_codes.h"
#include "edge/session/error_replies.h"

namespace covet::edge {

RefusedSession::RefusedSession(SessionThread& thread, Connection& connection,
                               const absl::Status& status, std::shared_ptr<void> slot)
    : thread_(thread), slot_(std::move(slot)) {
  const ErrorMessage error = ToErrorMessage(status);
  thread_.counters().CountError(error.code);
  Outbound message;
  message.frame = Frame::Text(thread_.encoder().Error(error, {}));
  message.lane = Lane::kReply;
  connection.Send(std::move(message));
  const bool expired = CodeOf(status) == ErrorCode::kAuthExpired;
  connection.Close(expired ? kCloseAuthExpired : kCloseAuthFailed, error.message);
}

void RefusedSession::OnClosed(uint16_t code) {
  slot_.reset();
  thread_.counters().CountClose(code);
}

}  // namespace covet::edge
