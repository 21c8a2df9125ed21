#include "edge/session/room_requests.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "edge/session/error_replies.h"
#include "edge/session/session.h"
#include "edge/session/stream_requests.h"

namespace covet::edge {
namespace {

// What logs of both sides are found by.
std::string_view CorrelationOf(const ClientMessage& message) {
  return message.correlation_id.empty() ? message.id : message.correlation_id;
}

JoinParams ParamsOf(const ClientMessage& message, const JoinRoomMessage& join) {
  JoinParams params;
  params.room_id = std::string(join.room_id);
  params.request_id = std::string(message.id);
  params.correlation_id = std::string(CorrelationOf(message));
  params.has_filter = join.has_filter;
  params.event_types.assign(join.event_types.begin(), join.event_types.end());
  params.has_resume = join.resume.has_value();
  if (join.resume) {
    params.resume_epoch = std::string(join.resume->epoch);
    params.resume_offset = join.resume->offset;
  }
  params.history = join.history;
  params.subscribe_to_metrics = join.subscribe_to_metrics;
  return params;
}

void FinishJoin(Session& session, RequestTable::Token token, JoinResult result) {
  const Request request = session.Finish(token);
  if (!result.error.ok()) {
    session.rooms().JoinFailed(request.room_id);
    session.Refuse(request, ToErrorMessage(std::move(result.error)));
    if (request.unsubscribe) session.Refuse(*request.unsubscribe, NoSubscription(request.id));
    return;
  }
  const std::string replaced =
      session.rooms().Joined(request.room_id, request.subscribes ? request.id : "");
  if (!replaced.empty()) session.requests().Release(replaced);
  if (request.subscribes) session.requests().Hold(request.id);

  RoomJoined joined;
  joined.room_id = request.room_id;
  joined.member_count = result.member_count;
  joined.permissions = result.permissions;
  if (!result.metadata_json.empty()) joined.room_metadata = result.metadata_json;
  joined.epoch = result.epoch;
  joined.offset = result.offset;
  joined.recovered = result.recovered;
  session.SendOrdered(session.thread().encoder().Joined(joined, request.reply_to()));
  if (request.unsubscribe) {
    EndRoomMetrics(session, request.id);
    SendUnsubscribed(session, request.id, request.unsubscribe->reply_to());
  }
}

void FinishLeave(Session& session, RequestTable::Token token, RoomError error) {
  const Request request = session.Finish(token);
  if (!error.ok()) return session.Refuse(request, ToErrorMessage(std::move(error)));
  const std::string metrics_id = session.rooms().Left(request.room_id);
  if (!metrics_id.empty()) session.requests().Release(metrics_id);
  const ReplyTo to = request.reply_to();
  session.SendOrdered(session.thread().encoder().Left(request.room_id, "left", &to));
}

void FinishPublish(Session& session, RequestTable::Token token, PublishResult result) {
  const Request request = session.Finish(token);
  if (!result.error.ok()) return session.Refuse(request, ToErrorMessage(std::move(result.error)));
  session.Reply(session.thread().encoder().MessageAck(request.room_id, result.offset,
                                                      result.duplicate, request.reply_to()),
                request.priority);
}

}  // namespace

void RoomRequests::Handle(Session& session, const ClientMessage& message) {
  if (const auto* publish = std::get_if<RoomMessage>(&message.body)) {
    OnPublish(session, message, *publish);
  } else if (const auto* join = std::get_if<JoinRoomMessage>(&message.body)) {
    OnJoin(session, message, *join);
  } else if (const auto* leave = std::get_if<LeaveRoomMessage>(&message.body)) {
    OnLeave(session, message, *leave);
  }
}

void RoomRequests::OnJoin(Session& session, const ClientMessage& message,
                          const JoinRoomMessage& join) {
  SessionThread& thread = session.thread();
  if (!session.rooms().Contains(join.room_id)) {
    const size_t limit = thread.settings().rooms_per_connection;
    if (session.rooms().size() >= limit) {
      return session.Refuse(
          message, MakeErrorMessage(ErrorCode::kConflict, "too many rooms on this connection",
                                    {{"reason", "TOO_MANY"}, {"limit", std::to_string(limit)}}));
    }
    if (thread.shared().memory.level() != limits::MemoryLevel::kNormal) {
      return session.Refuse(message,
                            MakeErrorMessage(ErrorCode::kUnavailable, "the edge is short of memory",
                                             {{"reason", "MEMORY"}}));
    }
  }
  session.rooms().BeginJoin(join.room_id);
  const RequestTable::Token token = session.Begin(message, join.room_id);
  session.requests().Find(message.id)->subscribes = join.subscribe_to_metrics;
  thread.rooms().Join(session.id(), ParamsOf(message, join),
                      [session = &session, token](JoinResult result) {
                        FinishJoin(*session, token, std::move(result));
                      });
}

void RoomRequests::OnLeave(Session& session, const ClientMessage& message,
                           const LeaveRoomMessage& leave) {
  SessionThread& thread = session.thread();
  if (!session.rooms().Contains(leave.room_id)) {
    const ReplyTo to{message.id, message.correlation_id};
    return session.SendOrdered(thread.encoder().Left(leave.room_id, "left", &to));
  }
  const RequestTable::Token token = session.Begin(message, leave.room_id);
  thread.rooms().Leave(session.id(), std::string(leave.room_id),
                       std::string(CorrelationOf(message)),
                       [session = &session, token](RoomError error) {
                         FinishLeave(*session, token, std::move(error));
                       });
}

void RoomRequests::OnPublish(Session& session, const ClientMessage& message,
                             const RoomMessage& publish) {
  PublishParams params;
  params.room_id = std::string(publish.room_id);
  // Only what the client gave: it goes on to the room's readers.
  params.correlation_id = std::string(message.correlation_id);
  params.event_type = std::string(publish.event_type);
  params.payload = std::string(publish.payload);
  params.idempotency_key = std::string(publish.idempotency_key);
  params.ttl_ms = message.ttl_ms;
  params.priority = message.priority;
  const RequestTable::Token token = session.Begin(message, publish.room_id);
  session.thread().rooms().Publish(session.id(), std::move(params),
                                   [session = &session, token](PublishResult result) {
                                     FinishPublish(*session, token, std::move(result));
                                   });
}

bool EndRoomMetrics(Session& session, std::string_view subscription_id) {
  if (!session.rooms().EndMetrics(subscription_id)) return false;
  session.requests().Release(subscription_id);
  session.thread().rooms().UnsubscribeMetrics(session.id(), std::string(subscription_id));
  return true;
}

}  // namespace covet::edge
