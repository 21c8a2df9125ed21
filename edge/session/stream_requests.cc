#include "edge/session/stream_requests.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "edge/session/error_replies.h"
#include "edge/session/room_requests.h"
#include "edge/session/session.h"
#include "edge/streams/stream_source.h"

namespace covet::edge {
namespace {

void FinishSubscribe(Session& session, RequestTable::Token token, std::string_view stream_type,
                     const std::string& resource_id, SubscribeResult result) {
  const Request request = session.Finish(token);
  if (!result.status.ok()) {
    session.Refuse(request, ToErrorMessage(result.status));
    if (request.unsubscribe) session.Refuse(*request.unsubscribe, NoSubscription(request.id));
    return;
  }
  session.requests().Hold(request.id);
  Subscribed subscribed;
  subscribed.subscription_id = request.id;
  subscribed.stream_type = stream_type;
  subscribed.resource_id = resource_id;
  subscribed.epoch = result.epoch;
  subscribed.offset = result.offset;
  subscribed.recovered = result.recovered;
  session.SendOrdered(session.thread().encoder().Subscribed(subscribed, request.reply_to()));
  if (!request.unsubscribe) return;
  session.requests().Release(request.id);
  session.thread().streams()->Unsubscribe(session.id(), request.id);
  SendUnsubscribed(session, request.id, request.unsubscribe->reply_to());
}

}  // namespace

void SendUnsubscribed(Session& session, std::string_view subscription_id, const ReplyTo& to) {
  session.SendOrdered(
      session.thread().encoder().Unsubscribed(subscription_id, "unsubscribed", &to));
}

ErrorMessage NoSubscription(std::string_view subscription_id) {
  return MakeErrorMessage(ErrorCode::kNotFound, "no such subscription",
                          {{"subscription_id", std::string(subscription_id)}});
}

void StreamRequests::Handle(Session& session, const ClientMessage& message) {
  if (const auto* subscribe = std::get_if<SubscribeMessage>(&message.body)) {
    OnSubscribe(session, message, *subscribe);
  } else if (const auto* unsubscribe = std::get_if<UnsubscribeMessage>(&message.body)) {
    OnUnsubscribe(session, message, *unsubscribe);
  }
}

void StreamRequests::OnSessionEnd(Session& session) {
  if (StreamGateway* const streams = session.thread().streams()) {
    streams->CloseSession(session.id());
  }
}

void StreamRequests::OnSubscribe(Session& session, const ClientMessage& message,
                                 const SubscribeMessage& subscribe) {
  SessionThread& thread = session.thread();
  if (thread.streams() == nullptr) {
    return session.Refuse(message,
                          MakeErrorMessage(ErrorCode::kSubscriptionFailed, "no such stream",
                                           {{"reason", "RESOURCE_NOT_FOUND"},
                                            {"resource_id", std::string(subscribe.resource_id)}}));
  }
  if (thread.shared().memory.level() != limits::MemoryLevel::kNormal) {
    return session.Refuse(message,
                          MakeErrorMessage(ErrorCode::kUnavailable, "the edge is short of memory",
                                           {{"reason", "MEMORY"}}));
  }
  SubscribeParams params = ParamsOf(subscribe);
  params.subscription_id = std::string(message.id);
  params.max_subscriptions = static_cast<size_t>(thread.settings().limits.subscriptions);
  const RequestTable::Token token = session.Begin(message, "");
  session.requests().Find(message.id)->subscribes = true;
  const std::string_view stream_type = StreamTypeName(params.stream_type);
  thread.streams()->Subscribe(
      session.identity(), &session, std::move(params),
      [session = &session, token, stream_type,
       resource_id = std::string(subscribe.resource_id)](SubscribeResult result) {
        FinishSubscribe(*session, token, stream_type, resource_id, std::move(result));
      });
}

void StreamRequests::OnUnsubscribe(Session& session, const ClientMessage& message,
                                   const UnsubscribeMessage& unsubscribe) {
  const std::string subscription_id(unsubscribe.subscription_id);
  // One that is not answered yet ends after its answer.
  if (Request* begun = session.requests().Find(subscription_id);
      begun != nullptr && begun->subscribes && begun->unsubscribe == nullptr) {
    begun->unsubscribe = std::make_unique<Request>();
    begun->unsubscribe->id = std::string(message.id);
    begun->unsubscribe->correlation_id = std::string(message.correlation_id);
    begun->unsubscribe->priority = message.priority;
    return;
  }
  if (EndRoomMetrics(session, subscription_id)) {
    return SendUnsubscribed(session, subscription_id, {message.id, message.correlation_id});
  }
  StreamGateway* const streams = session.thread().streams();
  if (session.requests().Find(subscription_id) != nullptr || streams == nullptr ||
      !streams->Unsubscribe(session.id(), subscription_id)) {
    return session.Refuse(message, NoSubscription(subscription_id));
  }
  session.requests().Release(subscription_id);
  SendUnsubscribed(session, subscription_id, {message.id, message.correlation_id});
}

}  // namespace covet::edge
