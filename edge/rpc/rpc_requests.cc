#include "edge/rpc/rpc_requests.h"

#include <string>
#include <utility>
#include <variant>

#include "edge/session/error_replies.h"
#include "edge/session/session.h"

namespace covet::edge {
namespace {

void FinishCall(Session& session, uint64_t call, CallOutcome outcome) {
  const Request request = session.FinishCall(call);
  if (!outcome.ok()) {
    return session.Refuse(request, {.code = std::move(outcome.code),
                                    .message = std::move(outcome.message),
                                    .details_json = std::move(outcome.json)});
  }
  const auto limit = static_cast<size_t>(session.thread().settings().limits.rpc_result_bytes);
  if (limit != 0 && outcome.json.size() > limit) {
    return session.Refuse(request,
                          MakeErrorMessage(ErrorCode::kMessageTooLarge, "the result is too large",
                                           {{"field", "data.result"},
                                            {"limit", std::to_string(limit)},
                                            {"size", std::to_string(outcome.json.size())}}));
  }
  session.Reply(session.thread().encoder().RpcResponse(outcome.json, request.reply_to()),
                request.priority);
}

}  // namespace

void RpcRequests::Handle(Session& session, const ClientMessage& message) {
  if (const auto* call = std::get_if<RpcCallMessage>(&message.body)) {
    OnCall(session, message, *call);
  } else if (const auto* cancel = std::get_if<RpcCancelMessage>(&message.body)) {
    OnCancel(session, *cancel);
  }
}

void RpcRequests::OnCall(Session& session, const ClientMessage& message,
                         const RpcCallMessage& call) {
  const size_t limit = session.thread().settings().calls_per_connection;
  if (session.requests().calls() >= limit) {
    return session.Refuse(
        message,
        MakeErrorMessage(ErrorCode::kUnavailable, "too many calls in flight on this connection",
                         {{"reason", "TOO_MANY"}, {"limit", std::to_string(limit)}}));
  }
  CallParams params;
  params.identity = &session.identity();
  params.correlation_id =
      std::string(message.correlation_id.empty() ? message.id : message.correlation_id);
  params.method = std::string(call.method);
  params.params = std::string(call.params);
  params.timeout_ms = call.timeout_ms;
  params.ttl_ms = message.ttl_ms;
  const uint64_t number = gateway_.NextCall();
  session.Begin(message, {}, number);
  const bool started = gateway_.Start(number, std::move(params),
                                      [this, session = &session, number](CallOutcome outcome) {
                                        OnOutcome(*session, number, std::move(outcome));
                                      });
  if (started) return;
  session.Refuse(session.FinishCall(number),
                 MakeErrorMessage(ErrorCode::kUnavailable, "too many calls wait for the service",
                                  {{"reason", "OVERLOADED"}}));
}

void RpcRequests::OnCancel(Session& session, const RpcCancelMessage& cancel) {
  const Request* request = session.requests().Find(cancel.call_id);
  if (request == nullptr || request->call == 0) return;
  const uint64_t call = request->call;
  gateway_.Cancel(call);
  if (const auto waiting = waiting_.find(&session); waiting != waiting_.end()) {
    std::erase_if(waiting->second, [&](const auto& held) {
      if (held.first != call) return false;
      session.Hold(-static_cast<int64_t>(held.second.json.size()));
      return true;
    });
  }
  session.Refuse(session.FinishCall(call),
                 MakeErrorMessage(ErrorCode::kCancelled, "the client cancelled the call"));
}

void RpcRequests::OnOutcome(Session& session, uint64_t call, CallOutcome outcome) {
  const auto bound = static_cast<size_t>(session.thread().settings().limits.outbound_queue_bytes);
  if (session.connection().queued_bytes() <= bound / 2) {
    return FinishCall(session, call, std::move(outcome));
  }
  session.Hold(static_cast<int64_t>(outcome.json.size()));
  waiting_[&session].emplace_back(call, std::move(outcome));
}

void RpcRequests::OnSessionDrained(Session& session) {
  const auto it = waiting_.find(&session);
  if (it == waiting_.end()) return;
  auto outcomes = std::move(it->second);
  waiting_.erase(it);
  for (auto& [call, outcome] : outcomes) {
    session.Hold(-static_cast<int64_t>(outcome.json.size()));
    OnOutcome(session, call, std::move(outcome));
  }
}

void RpcRequests::OnSessionEnd(Session& session) {
  if (const auto it = waiting_.find(&session); it != waiting_.end()) {
    for (const auto& [call, outcome] : it->second) {
      session.Hold(-static_cast<int64_t>(outcome.json.size()));
    }
    waiting_.erase(it);
  }
  for (const uint64_t call : session.requests().CallNumbers()) gateway_.Cancel(call);
}

}  // namespace covet::edge
