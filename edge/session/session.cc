#include "edge/session/session.h"

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/logging/audit.h"
#include "common/logging/log.h"
#include "common/payload/struct_json.h"
#include "edge/frame/frame.h"
#include "edge/session/close_codes.h"
#include "edge/session/error_replies.h"
#include "edge/session/identity.h"

namespace covet::edge {
namespace {

// How long joins and subscribes that resume are not counted.
constexpr int64_t kFreeResumeMs = 30'000;
// A smaller queue is not worth a reader.
constexpr int64_t kMinCutBytes = 16 << 10;

std::string_view MethodOf(const ClientMessage& message) {
  const auto* call = std::get_if<RpcCallMessage>(&message.body);
  return call == nullptr ? std::string_view() : call->method;
}

// The details of an error that are texts.
ErrorDetails TextsOf(const ErrorMessage& error) {
  if (error.details_json.empty()) return error.details;
  google::protobuf::Struct members;
  ErrorDetails texts;
  if (!payload::JsonToStruct(error.details_json, &members)) return texts;
  for (const auto& [name, value] : members.fields()) {
    if (value.has_string_value()) texts.emplace(name, value.string_value());
  }
  return texts;
}

}  // namespace

Session::Session(SessionThread& thread, Connection& connection, common::v1::Identity identity,
                 std::shared_ptr<void> slot, std::string key_fingerprint)
    : thread_(thread),
      connection_(connection),
      identity_(std::move(identity)),
      slot_(std::move(slot)),
      memory_(&thread.shared().memory),
      key_fingerprint_(std::move(key_fingerprint)) {
  identity_.set_session_id(thread.shared().ids.NewId("sess_"));
}

Session::~Session() = default;

void Session::Open() {
  const SessionSettings& settings = thread_.settings();
  connection_.SetMaxMessageBytes(settings.max_message_bytes);
  opened_ms_ = thread_.clock().SteadyMillis();
  next_heartbeat_ms_ = opened_ms_ + settings.heartbeat_interval_ms;

  ConnectionAck ack;
  ack.session_id = id();
  ack.user_id = identity_.user_id();
  ack.capabilities = thread_.router().capabilities();
  ack.heartbeat_interval_ms = settings.heartbeat_interval_ms;
  ack.resume_window_ms = settings.resume_window_ms;
  ack.limits = settings.limits;
  Reply(thread_.encoder().Connection(ack), Priority::kHigh);

  thread_.counters().opened.Add();
  thread_.counters().open_sessions.Add();
  audit::Record(audit::event::kConnected,
                {{"session_id", id()},
                 {"user_id", identity_.user_id()},
                 {"address", connection_.remote_address()},
                 {"credential", identity_.service_account() ? "api_key" : "token"}});
  registered_ = true;
  thread_.rooms().OpenSession(identity_, this);
  CheckExpiry();
}

void Session::OnText(std::string_view message) { OnMessage(message, /*binary=*/false); }

void Session::OnBinary(std::string_view message) { OnMessage(message, /*binary=*/true); }

void Session::OnMessage(std::string_view frame, bool binary) {
  if (!registered_) return;
  DecodeError error;
  const ClientMessage* message = thread_.Decode(frame, binary, &error);
  if (message == nullptr) {
    const ErrorMessage reply = ToErrorMessage(error);
    thread_.counters().CountError(reply.code);
    const ReplyTo to{error.original_id, error.correlation_id};
    // A call that is merely too large is well formed.
    const bool call = error.type == "rpc_call" && error.code == ErrorCode::kMessageTooLarge;
    Reply(call ? thread_.encoder().RpcError(reply, to) : thread_.encoder().Error(reply, to),
          Priority::kNormal);
    return Offend();
  }
  thread_.counters().requests[message->body.index()].Add();
  if (log::Enabled(log::Level::kDebug)) {
    log::Debug("request", {{"session_id", id()},
                           {"type", message->type},
                           {"request_id", message->id},
                           {"correlation_id", message->correlation_id}});
  }
  if (Admit(*message)) thread_.router().HandlerOf(message->body).Handle(*this, *message);
}

bool Session::Admit(const ClientMessage& message) {
  const bool heartbeat = std::holds_alternative<HeartbeatMessage>(message.body);
  // An answer to one of our heartbeats, not a request.
  if (heartbeat && !message.in_reply_to.empty()) return true;
  if (requests_.InUse(message.id)) {
    Refuse(message, MakeErrorMessage(ErrorCode::kConflict, "id is in use",
                                     {{"field", "id"},
                                      {"expected", "an id that is not in use"},
                                      {"received", std::string(message.id)}}));
    return false;
  }
  const RequestRules& rules = RulesOf(message.body);
  if (rules.new_work && thread_.shared().draining.load(std::memory_order_relaxed)) {
    Refuse(message, MakeErrorMessage(ErrorCode::kUnavailable, "the edge is draining",
                                     {{"reason", "DRAINING"}}));
    return false;
  }
  if (!rules.counted || IsFreeResume(message)) return true;
  if (std::holds_alternative<RpcCallMessage>(message.body)) {
    const SessionSettings& settings = thread_.settings();
    const int64_t now_us = thread_.clock().SteadyMicros();
    // A call counts in both rates, and one that is refused in neither.
    if (messages_.Peek(settings.messages, now_us).allowed) {
      const limits::RateDecision calls =
          thread_.shared().rpc_calls.Take(identity_.user_id(), settings.rpc_calls, now_us);
      if (!calls.allowed) {
        RefuseRate(message, "rpc_calls", calls);
        return false;
      }
    }
  }
  return TakeMessage(message);
}

bool Session::IsFreeResume(const ClientMessage& message) {
  const auto* join = std::get_if<JoinRoomMessage>(&message.body);
  const auto* subscribe = std::get_if<SubscribeMessage>(&message.body);
  const SessionSettings& settings = thread_.settings();
  uint32_t* taken = nullptr;
  size_t limit = 0;
  if (join != nullptr && join->resume) {
    taken = &free_joins_;
    limit = settings.rooms_per_connection;
  } else if (subscribe != nullptr && subscribe->resume) {
    taken = &free_subscribes_;
    limit = static_cast<size_t>(settings.limits.subscriptions);
  }
  if (taken == nullptr || *taken >= limit ||
      thread_.clock().SteadyMillis() - opened_ms_ >= kFreeResumeMs) {
    return false;
  }
  ++*taken;
  return true;
}

bool Session::TakeMessage(const ClientMessage& message) {
  return Take(message, "messages", thread_.settings().messages, &messages_);
}

bool Session::TakeRefresh(const ClientMessage& message) {
  return Take(message, "auth_refreshes", limits::Rate::Of(10, absl::Minutes(1)), &refreshes_);
}

bool Session::Take(const ClientMessage& message, std::string_view scope, const limits::Rate& rate,
                   limits::Gcra* taken) {
  const limits::RateDecision decision = taken->Take(rate, thread_.clock().SteadyMicros());
  if (!decision.allowed) RefuseRate(message, scope, decision);
  return decision.allowed;
}

void Session::RefuseRate(const ClientMessage& message, std::string_view scope,
                         const limits::RateDecision& decision) {
  ErrorMessage error =
      MakeErrorMessage(ErrorCode::kRateLimited, absl::StrCat("over the rate of ", ToAbsl(scope)),
                       {{"scope", std::string(scope)}});
  error.rate_limit = RateLimit{decision.limit, decision.remaining,
                               limits::ResetWallMillis(decision, thread_.clock())};
  Refuse(message, error);
  Offend();
}

RequestTable::Token Session::Begin(const ClientMessage& message, std::string_view room_id,
                                   uint64_t call) {
  Request request;
  request.id = std::string(message.id);
  request.correlation_id = std::string(message.correlation_id);
  request.room_id = std::string(room_id);
  request.priority = message.priority;
  request.call = call;
  request.method = std::string(MethodOf(message));
  const RequestTable::Token token = requests_.Begin(std::move(request));
  UpdateReading();
  return token;
}

Request Session::Finish(RequestTable::Token token) {
  Request request = requests_.Finish(token);
  UpdateReading();
  return request;
}

Request Session::FinishCall(uint64_t call) { return requests_.FinishCall(call); }

void Session::Reply(std::string text, Priority priority) {
  Outbound message;
  message.frame = Frame::Text(std::move(text));
  message.lane = Lane::kReply;
  message.priority = priority;
  if (connection_.Send(std::move(message)) != SendResult::kBackpressure) return;
  backpressured_ = true;
  UpdateReading();
}

void Session::SendOrdered(std::string text) {
  Outbound message;
  message.frame = Frame::Text(std::move(text));
  message.lane = Lane::kOrdered;
  connection_.Send(std::move(message));
}

void Session::Refuse(const ClientMessage& message, const ErrorMessage& error) {
  const ReplyTo to{message.id, message.correlation_id};
  thread_.counters().CountError(error.code);
  AuditRefusal(error, to, MethodOf(message));
  Reply(std::holds_alternative<RpcCallMessage>(message.body) ? thread_.encoder().RpcError(error, to)
                                                             : thread_.encoder().Error(error, to),
        message.priority);
}

void Session::Refuse(const Request& request, const ErrorMessage& error) {
  AuditRefusal(error, request.reply_to(), request.method);
  RefuseToo(request, error);
}

void Session::RefuseToo(const Request& request, const ErrorMessage& error) {
  const ReplyTo to = request.reply_to();
  thread_.counters().CountError(error.code);
  Reply(request.call != 0 ? thread_.encoder().RpcError(error, to)
                          : thread_.encoder().Error(error, to),
        request.priority);
}

void Session::AuditRefusal(const ErrorMessage& error, const ReplyTo& to, std::string_view method) {
  if (error.code != TraitsOf(ErrorCode::kPermissionDenied).protocol_code) return;
  ErrorDetails details = TextsOf(error);
  // A backend of others need not say what it refused.
  if (!method.empty() && details["action"].empty()) {
    details["action"] = "rpc:call";
    details["resource"] = method;
  }
  const std::string& reason = details["reason"];
  audit::Record(audit::event::kPermissionDenied,
                {{"session_id", id()},
                 {"user_id", identity_.user_id()},
                 {"action", details["action"]},
                 {"resource", details["resource"]},
                 {"reason", reason.empty() ? error.message : reason},
                 {"correlation_id", to.correlation_id.empty() ? to.id : to.correlation_id}});
}

void Session::HoldReading() {
  ++holds_;
  UpdateReading();
}

void Session::ReleaseReading() {
  --holds_;
  UpdateReading();
}

void Session::Offend() {
  if (!registered_) return;
  const limits::AbusePolicy& policy = thread_.settings().abuse;
  const int64_t now_us = thread_.clock().SteadyMicros();
  const bool abusive = abuse_.Offend(policy, now_us);
  const auto address = limits::IpAddress::Parse(connection_.remote_address());
  if (address && thread_.shared().attempts.Offend(*address)) {
    audit::Record(audit::event::kAddressBlocked, {{"address", connection_.remote_address()},
                                                  {"seconds", policy.block_for_us / 1'000'000}});
    thread_.counters().abuse_closes.Add();
    return End(kCloseBlocked, "blocked");
  }
  if (!abusive) return;
  thread_.counters().abuse_closes.Add();
  End(kCloseAbuse,
      absl::StrCat("reconnect_after_ms=", (abuse_.WaitMicros(policy, now_us) + 999) / 1000));
}

bool Session::Renew(common::v1::Identity identity) {
  key_fingerprint_.clear();  // It is a token now.
  expiring_told_ = false;
  return Adopt(std::move(identity));
}

bool Session::Adopt(common::v1::Identity identity) {
  identity.set_session_id(id());
  // The same again changes nothing, and costs the owner nothing.
  if (identity.SerializeAsString() == identity_.SerializeAsString()) return false;
  identity_ = std::move(identity);
  thread_.rooms().RenewSession(identity_);
  if (thread_.streams() != nullptr) thread_.streams()->RenewSession(identity_);
  return true;
}

void Session::OnPong(std::string_view payload) {
  if (!registered_) return;
  for (const std::string& notification_id : notifications_.OnPong(payload)) {
    thread_.counters().notifications_acknowledged_by_pong.Add();
    thread_.rooms().AckNotification(id(), notification_id, /*explicit_ack=*/false);
  }
  if (auto ping = notifications_.TakePing()) SendPing(*std::move(ping));
}

void Session::OnDrained() {
  if (!registered_) return;
  backpressured_ = false;
  UpdateReading();
  thread_.router().DrainSession(*this);
  thread_.rooms().OnDrained(id());
  if (thread_.streams() != nullptr) thread_.streams()->OnDrained(id());
}

void Session::OnTick(int64_t now_ms) {
  if (!registered_) return;
  // A client that reads slowly must still be able to leave what it cannot follow: while its queue
  // stays full, its requests come in by the second.
  backpressured_ = false;
  UpdateReading();
  requests_.ReleaseIdle();
  ChargeMemory();
  CutIfLarge();
  if (!registered_) return;
  if (now_ms >= next_heartbeat_ms_) Heartbeat(now_ms);
  CheckKey();
  if (registered_) CheckExpiry();
}

void Session::Heartbeat(int64_t now_ms) {
  const int64_t interval_ms = thread_.settings().heartbeat_interval_ms;
  next_heartbeat_ms_ = std::max(next_heartbeat_ms_ + interval_ms, now_ms);
  Reply(thread_.encoder().Heartbeat(++heartbeat_sequence_), Priority::kNormal);
  connection_.Ping("");
  if (auto ping = notifications_.RepeatPing()) SendPing(*std::move(ping));
}

void Session::CheckKey() {
  if (key_fingerprint_.empty()) return;
  const auth::Authenticator& authenticator = thread_.shared().authenticator;
  const uint64_t reloads = authenticator.reloads();
  if (std::exchange(keys_seen_, reloads) == reloads) return;
  const auto now = authenticator.ApiKeyIdentity(key_fingerprint_);
  if (now != nullptr && now->user_id() == identity_.user_id()) {
    const bool same_end = ExpiryMillis(*now) == ExpiryMillis(identity_);
    expiring_told_ = expiring_told_ && same_end;
    Adopt(*now);
    return;
  }
  const ErrorMessage error =
      MakeErrorMessage(ErrorCode::kAuthFailed, "the API key has been revoked");
  thread_.counters().CountError(error.code);
  Reply(thread_.encoder().Error(error, {}), Priority::kNormal);
  End(kCloseRevoked, "revoked");
}

void Session::CheckExpiry() {
  const int64_t expires_at_ms = ExpiryMillis(identity_);
  if (expires_at_ms == 0) return;
  const int64_t now_ms = thread_.clock().WallMillis();
  if (now_ms >= expires_at_ms) {
    const ErrorMessage error = MakeErrorMessage(ErrorCode::kAuthExpired, "the token has expired");
    thread_.counters().CountError(error.code);
    Reply(thread_.encoder().Error(error, {}), Priority::kNormal);
    return End(kCloseAuthExpired, "token expired");
  }
  if (expiring_told_ || now_ms < expires_at_ms - thread_.settings().auth_expiring_before_ms) return;
  expiring_told_ = true;
  Reply(thread_.encoder().AuthExpiring(expires_at_ms), Priority::kNormal);
}

// The budget knows of a queue what a look once a tick tells, which is enough to act on.
void Session::ChargeMemory() {
  const size_t waiting = thread_.streams() == nullptr ? 0 : thread_.streams()->WaitingBytes(id());
  const auto queued = static_cast<int64_t>(connection_.queued_bytes() + waiting) + held_bytes_;
  if (queued == memory_.bytes()) return;
  thread_.shared().queue_sizes.Move(memory_.bytes(), queued);
  memory_.Add(queued - memory_.bytes());
}

// The largest queues go first, as many as it takes.
void Session::CutIfLarge() {
  SessionShared& shared = thread_.shared();
  if (shared.memory.level() != limits::MemoryLevel::kCritical) return;
  if (memory_.bytes() < kMinCutBytes ||
      !shared.queue_sizes.AmongLargest(memory_.bytes(), shared.memory.excess())) {
    return;
  }
  thread_.counters().memory_closes.Add();
  connection_.DropQueued();
  ChargeMemory();
  End(kCloseSlowConsumer, "memory");
}

void Session::OnClosed(uint16_t code) {
  LeaveRooms();
  thread_.shared().queue_sizes.Move(memory_.bytes(), 0);
  memory_ = {};
  slot_.reset();
  thread_.counters().open_sessions.Sub();
  thread_.counters().CountClose(code);
  audit::Record(audit::event::kDisconnected,
                {{"session_id", id()}, {"user_id", identity_.user_id()}, {"close_code", code}});
}

void Session::OnRoomLeft(const std::string& room_id, const std::string& reason) {
  const std::string metrics_id = rooms_.Left(room_id);
  if (!metrics_id.empty()) requests_.Release(metrics_id);
  SendOrdered(thread_.encoder().Left(room_id, reason, nullptr));
}

void Session::OnNotification(const std::string& notification_id, FramePtr frame, Priority priority,
                             int64_t expires_at_ms, bool acknowledge) {
  if (acknowledge && !notifications_.Add(notification_id)) return;
  thread_.counters().notifications.Add();
  Outbound message;
  message.frame = std::move(frame);
  message.lane = Lane::kReply;
  message.priority = priority;
  message.expires_at_ms = expires_at_ms;
  // One that is dropped must not be acknowledged by the pong that follows it.
  message.droppable = !acknowledge;
  connection_.Send(std::move(message));
  if (!acknowledge) return;
  if (auto ping = notifications_.TakePing()) SendPing(*std::move(ping));
}

void Session::OnNotificationRead(const std::string& notification_id) {
  Reply(thread_.encoder().NotificationRead(notification_id), Priority::kNormal);
}

void Session::OnUnsubscribed(const std::string& subscription_id, const std::string& reason) {
  requests_.Release(subscription_id);
  SendOrdered(thread_.encoder().Unsubscribed(subscription_id, reason, nullptr));
}

// Behind all replies that wait, so that it leaves after the notifications that it asks about;
// Connection::Ping would overtake them.
void Session::SendPing(std::string payload) {
  Outbound message;
  message.frame = Frame::Ping(std::move(payload));
  message.lane = Lane::kReply;
  message.priority = Priority::kLow;
  connection_.Send(std::move(message));
}

void Session::UpdateReading() {
  const size_t waiting = requests_.unfinished() - requests_.calls();
  if (waiting >= kMaxUnfinished) {
    too_many_ = true;
  } else if (waiting <= kMaxUnfinished / 2) {
    too_many_ = false;
  }
  const bool pause = too_many_ || backpressured_ || holds_ > 0;
  if (pause == paused_) return;
  paused_ = pause;
  if (pause) {
    thread_.counters().reading_paused.Add();
    connection_.PauseReading();
  } else {
    connection_.ResumeReading();
  }
}

void Session::End(uint16_t code, std::string reason) {
  if (!registered_) return;
  connection_.Close(code, std::move(reason));
  LeaveRooms();
}

void Session::LeaveRooms() {
  if (!registered_) return;
  registered_ = false;
  thread_.router().EndSession(*this);
  thread_.rooms().CloseSession(id(), thread_.shared().draining.load(std::memory_order_relaxed));
}

}  // namespace covet::edge
