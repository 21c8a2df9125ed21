#include "edge/codec/messages.h"

#include "common/payload/json_writer.h"
#include "edge/codec/envelope.h"

namespace covet::edge {
namespace {

using payload::AppendBoolMember;
using payload::AppendIntMember;
using payload::AppendMemberName;
using payload::AppendQuoted;
using payload::AppendRawMember;
using payload::AppendStringMember;
using payload::AppendTimeMember;

// Room for what surrounds a message's variable parts.
constexpr size_t kFrameOverhead = 320;

std::string_view PriorityName(Priority priority) {
  switch (priority) {
    case Priority::kLow:
      return "low";
    case Priority::kHigh:
      return "high";
    default:
      return "normal";
  }
}

// From the open `data` to the end, for a reply.
std::string EndReply(std::string out, const ReplyTo& to) {
  out += "},\"metadata\":{";
  AppendStringMember(&out, "in_reply_to", to.id);
  AppendStringMember(&out, "correlation_id", to.correlation_id.empty() ? to.id : to.correlation_id);
  out += "}}";
  return out;
}

std::string End(std::string out, const ReplyTo* to = nullptr) {
  if (to != nullptr) return EndReply(std::move(out), *to);
  out += "}}";
  return out;
}

// The end of a message that is nobody's reply but has an origin.
void EndWithOrigin(std::string* out, Priority priority, std::string_view correlation_id) {
  out->push_back('}');
  if (priority != Priority::kNormal || !correlation_id.empty()) {
    *out += ",\"metadata\":{";
    if (priority != Priority::kNormal) AppendStringMember(out, "priority", PriorityName(priority));
    if (!correlation_id.empty()) AppendStringMember(out, "correlation_id", correlation_id);
    out->push_back('}');
  }
  out->push_back('}');
}

void AppendDetails(std::string* out, const ErrorMessage& error) {
  if (!error.details_json.empty()) return AppendRawMember(out, "details", error.details_json);
  AppendMemberName(out, "details");
  out->push_back('{');
  bool first = true;
  for (const auto& [name, value] : error.details) {
    if (!first) out->push_back(',');
    first = false;
    AppendQuoted(out, name);
    out->push_back(':');
    AppendQuoted(out, value);
  }
  out->push_back('}');
}

void AppendRateLimit(std::string* out, const RateLimit& limit) {
  AppendMemberName(out, "rate_limit");
  out->push_back('{');
  AppendIntMember(out, "limit", limit.limit);
  AppendIntMember(out, "remaining", limit.remaining);
  AppendTimeMember(out, "reset", limit.reset_ms);
  out->push_back('}');
}

template <typename Strings>
void AppendStrings(std::string* out, std::string_view name, const Strings& strings) {
  AppendMemberName(out, name);
  out->push_back('[');
  for (size_t i = 0; i < strings.size(); ++i) {
    if (i > 0) out->push_back(',');
    AppendQuoted(out, strings[i]);
  }
  out->push_back(']');
}

void AppendLimits(std::string* out, const ConnectionLimits& limits) {
  AppendMemberName(out, "limits");
  out->push_back('{');
  const std::pair<std::string_view, int64_t> members[] = {
      {"message_bytes", limits.message_bytes},
      {"room_payload_bytes", limits.room_payload_bytes},
      {"record_bytes", limits.record_bytes},
      {"chunk_bytes", limits.chunk_bytes},
      {"rpc_params_bytes", limits.rpc_params_bytes},
      {"rpc_result_bytes", limits.rpc_result_bytes},
      {"json_depth", limits.json_depth},
      {"id_length", limits.id_length},
      {"outbound_queue_bytes", limits.outbound_queue_bytes},
      {"outbound_queue_ms", limits.outbound_queue_ms},
      {"rooms", limits.rooms},
      {"subscriptions", limits.subscriptions},
      {"calls_in_flight", limits.calls_in_flight},
      {"connections", limits.connections},
      {"connection_attempts_per_minute", limits.connection_attempts_per_minute},
      {"messages_per_minute", limits.messages_per_minute},
      {"rpc_calls_per_minute", limits.rpc_calls_per_minute},
      {"uploads_per_hour", limits.uploads_per_hour},
  };
  for (const auto& [name, value] : members) {
    if (value > 0) AppendIntMember(out, name, value);
  }
  out->push_back('}');
}

void AppendSender(std::string* out, const RoomEvent& event) {
  if (event.user_id.empty()) return;
  AppendMemberName(out, "sender");
  out->push_back('{');
  AppendStringMember(out, "user_id", event.user_id);
  if (!event.session_id.empty()) AppendStringMember(out, "session_id", event.session_id);
  out->push_back('}');
}

}  // namespace

ErrorMessage ToErrorMessage(const DecodeError& error) {
  return {.code = std::string(TraitsOf(error.code).protocol_code),
          .message = error.message,
          .details = error.Details()};
}

ErrorMessage ToErrorMessage(const absl::Status& status) {
  return {.code = std::string(ProtocolCodeOf(status)),
          .message = std::string(status.message()),
          .details = DetailsOf(status)};
}

std::string SubscriptionHead(std::string_view subscription_id) {
  std::string head = "\"subscription_id\":";
  AppendQuoted(&head, subscription_id);
  head.push_back(',');
  return head;
}

EncodedMessage EncodeRoomEvent(const RoomEvent& event) {
  EncodedMessage message;
  std::string& out = message.text;
  out.reserve(kFrameOverhead + event.payload.size() + event.room_id.size() +
              event.event_type.size() + 2 * event.epoch.size() + event.user_id.size() +
              event.session_id.size() + event.correlation_id.size());
  // Epochs are plain: nothing of the id needs escaping.
  out.append(R"({"type":"room_event","id":"ev_)").append(event.epoch).push_back('_');
  payload::AppendInt(&out, event.offset);
  out += R"(","timestamp":")";
  payload::AppendRfc3339Millis(&out, event.time_ms);
  out += R"(","data":{)";
  message.splice = out.size();
  AppendStringMember(&out, "room_id", event.room_id);
  AppendStringMember(&out, "event_type", event.event_type);
  AppendIntMember(&out, "offset", event.offset);
  AppendStringMember(&out, "epoch", event.epoch);
  AppendSender(&out, event);
  AppendRawMember(&out, "payload", event.payload);
  EndWithOrigin(&out, event.priority, event.correlation_id);
  return message;
}

void MessageEncoder::BeginAt(std::string_view type, int64_t time_ms, std::string* out) {
  out->append("{\"type\":\"").append(type).append("\",\"id\":\"");
  ids_.AppendTo(out);
  out->append("\",\"timestamp\":\"");
  payload::AppendRfc3339Millis(out, time_ms);
  out->append("\",\"data\":{");
}

void MessageEncoder::Begin(std::string_view type, std::string* out) {
  out->reserve(kFrameOverhead);
  BeginAt(type, clock_.WallMillis(), out);
}

std::string MessageEncoder::Connection(const ConnectionAck& ack) {
  std::string out;
  out.reserve(3 * kFrameOverhead);
  Begin("connection_ack", &out);
  AppendStringMember(&out, "session_id", ack.session_id);
  AppendStringMember(&out, "user_id", ack.user_id);
  AppendStrings(&out, "capabilities", ack.capabilities);
  AppendIntMember(&out, "heartbeat_interval", ack.heartbeat_interval_ms);
  AppendIntMember(&out, "resume_window", ack.resume_window_ms);
  AppendLimits(&out, ack.limits);
  return End(std::move(out));
}

std::string MessageEncoder::Heartbeat(int64_t sequence) {
  std::string out;
  Begin("heartbeat", &out);
  AppendIntMember(&out, "sequence", sequence);
  return End(std::move(out));
}

std::string MessageEncoder::HeartbeatReply(std::optional<int64_t> sequence, const ReplyTo& to) {
  std::string out;
  Begin("heartbeat", &out);
  if (sequence.has_value()) AppendIntMember(&out, "sequence", *sequence);
  return EndReply(std::move(out), to);
}

std::string MessageEncoder::Error(const ErrorMessage& error, const ReplyTo& to) {
  std::string out;
  Begin("error", &out);
  AppendStringMember(&out, "error_code", error.code);
  AppendStringMember(&out, "error_message", error.message);
  if (!to.id.empty()) AppendStringMember(&out, "original_message_id", to.id);
  AppendDetails(&out, error);
  AppendBoolMember(&out, "recoverable", IsRecoverable(error.code));
  if (error.rate_limit.has_value()) AppendRateLimit(&out, *error.rate_limit);
  return End(std::move(out), to.id.empty() ? nullptr : &to);
}

void MessageEncoder::BeginOfCall(std::string_view type, const ReplyTo& call, std::string* out) {
  out->append("{\"type\":\"").append(type).append("\",\"id\":");
  AppendQuoted(out, call.id);
  AppendTimeMember(out, "timestamp", clock_.WallMillis());
  out->append(",\"data\":{");
}

std::string MessageEncoder::RpcResponse(std::string_view result, const ReplyTo& call) {
  std::string out;
  out.reserve(kFrameOverhead + result.size() + 2 * call.id.size() + call.correlation_id.size());
  BeginOfCall("rpc_response", call, &out);
  AppendRawMember(&out, "result", result);
  return EndReply(std::move(out), call);
}

std::string MessageEncoder::RpcError(const ErrorMessage& error, const ReplyTo& call) {
  std::string out;
  out.reserve(kFrameOverhead);
  BeginOfCall("rpc_error", call, &out);
  out += R"("error":{)";
  AppendStringMember(&out, "code", error.code);
  AppendStringMember(&out, "message", error.message);
  AppendDetails(&out, error);
  // Of a backend's own code nobody knows it.
  if (ErrorCodeFromReason(error.code).has_value()) {
    AppendBoolMember(&out, "recoverable", IsRecoverable(error.code));
  }
  if (error.rate_limit.has_value()) AppendRateLimit(&out, *error.rate_limit);
  out.push_back('}');
  return EndReply(std::move(out), call);
}

std::string MessageEncoder::Joined(const RoomJoined& joined, const ReplyTo& to) {
  std::string out;
  Begin("room_joined", &out);
  AppendStringMember(&out, "room_id", joined.room_id);
  AppendIntMember(&out, "member_count", joined.member_count);
  AppendStrings(&out, "permissions", joined.permissions);
  AppendRawMember(&out, "room_metadata", joined.room_metadata);
  AppendStringMember(&out, "epoch", joined.epoch);
  AppendIntMember(&out, "offset", joined.offset);
  AppendBoolMember(&out, "recovered", joined.recovered);
  return EndReply(std::move(out), to);
}

std::string MessageEncoder::Left(std::string_view room_id, std::string_view reason,
                                 const ReplyTo* to) {
  std::string out;
  Begin("room_left", &out);
  AppendStringMember(&out, "room_id", room_id);
  AppendStringMember(&out, "reason", reason);
  return End(std::move(out), to);
}

std::string MessageEncoder::MessageAck(std::string_view room_id, int64_t offset, bool duplicate,
                                       const ReplyTo& to) {
  std::string out;
  Begin("room_message_ack", &out);
  AppendStringMember(&out, "room_id", room_id);
  AppendIntMember(&out, "offset", offset);
  if (duplicate) AppendBoolMember(&out, "duplicate", true);
  return EndReply(std::move(out), to);
}

EncodedMessage MessageEncoder::Activity(const Presence& presence) {
  EncodedMessage message;
  std::string& out = message.text;
  out.reserve(kFrameOverhead);
  BeginAt("room_event", presence.time_ms, &out);
  message.splice = out.size();
  AppendStringMember(&out, "room_id", presence.room_id);
  AppendStringMember(&out, "event_type", "user_activity");
  AppendMemberName(&out, "payload");
  out.push_back('{');
  AppendStringMember(&out, "action", presence.action);
  if (!presence.user_id.empty()) AppendStringMember(&out, "user_id", presence.user_id);
  AppendIntMember(&out, "member_count", presence.member_count);
  out += "}}}";
  return message;
}

EncodedMessage MessageEncoder::RoomMetrics(std::string_view room_id, std::string_view record) {
  EncodedMessage message;
  std::string& out = message.text;
  Begin("stream_data", &out);
  message.splice = out.size();
  AppendStringMember(&out, "stream_type", "metrics");
  AppendStringMember(&out, "resource_id", std::string("room:").append(room_id));
  AppendMemberName(&out, "batch");
  out.append("[").append(record).append("]}}");
  return message;
}

std::string MessageEncoder::Subscribed(const edge::Subscribed& subscribed, const ReplyTo& to) {
  std::string out;
  Begin("subscribed", &out);
  AppendStringMember(&out, "subscription_id", subscribed.subscription_id);
  AppendStringMember(&out, "stream_type", subscribed.stream_type);
  AppendStringMember(&out, "resource_id", subscribed.resource_id);
  AppendStringMember(&out, "epoch", subscribed.epoch);
  AppendIntMember(&out, "offset", subscribed.offset);
  AppendBoolMember(&out, "recovered", subscribed.recovered);
  return EndReply(std::move(out), to);
}

EncodedMessage MessageEncoder::StreamData(const StreamDataMessage& data) {
  EncodedMessage message;
  std::string& out = message.text;
  size_t bytes = kFrameOverhead + data.resource_id.size();
  for (const std::string_view record : data.batch) bytes += record.size() + 1;
  out.reserve(bytes);
  Begin("stream_data", &out);
  message.splice = out.size();
  AppendStringMember(&out, "stream_type", data.stream_type);
  AppendStringMember(&out, "resource_id", data.resource_id);
  AppendStringMember(&out, "epoch", data.epoch);
  AppendIntMember(&out, "first_offset", data.first_offset);
  AppendIntMember(&out, "last_offset", data.last_offset);
  if (data.gap) AppendBoolMember(&out, "gap", true);
  AppendMemberName(&out, "batch");
  out.push_back('[');
  for (size_t i = 0; i < data.batch.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.append(data.batch[i]);
  }
  out += "]}}";
  return message;
}

std::string MessageEncoder::Unsubscribed(std::string_view subscription_id, std::string_view reason,
                                         const ReplyTo* to) {
  std::string out;
  Begin("unsubscribed", &out);
  AppendStringMember(&out, "subscription_id", subscription_id);
  AppendStringMember(&out, "reason", reason);
  return End(std::move(out), to);
}

std::string MessageEncoder::Notification(const NotificationMessage& notification) {
  std::string out;
  out.reserve(kFrameOverhead + notification.title.size() + notification.message.size());
  BeginAt("notification", notification.time_ms, &out);
  AppendStringMember(&out, "notification_id", notification.notification_id);
  AppendStringMember(&out, "notification_type", notification.notification_type);
  AppendStringMember(&out, "title", notification.title);
  AppendStringMember(&out, "message", notification.message);
  if (!notification.category.empty()) AppendStringMember(&out, "category", notification.category);
  if (!notification.actions.empty()) {
    AppendMemberName(&out, "actions");
    out.push_back('[');
    for (size_t i = 0; i < notification.actions.size(); ++i) {
      const NotificationAction& action = notification.actions[i];
      out += i > 0 ? ",{" : "{";
      AppendStringMember(&out, "label", action.label);
      AppendStringMember(&out, "action", action.action);
      if (!action.params.empty()) AppendRawMember(&out, "params", action.params);
      out.push_back('}');
    }
    out.push_back(']');
  }
  AppendBoolMember(&out, "auto_dismiss", notification.auto_dismiss);
  if (notification.dismiss_after_ms > 0) {
    AppendIntMember(&out, "dismiss_after", notification.dismiss_after_ms);
  }
  EndWithOrigin(&out, notification.priority, notification.correlation_id);
  return out;
}

std::string MessageEncoder::NotificationRead(std::string_view notification_id) {
  std::string out;
  Begin("notification_read", &out);
  AppendStringMember(&out, "notification_id", notification_id);
  return End(std::move(out));
}

std::string MessageEncoder::FileUploadReady(const UploadReady& ready, const ReplyTo& to) {
  std::string out;
  Begin("file_upload_ready", &out);
  AppendStringMember(&out, "upload_id", ready.upload_id);
  AppendIntMember(&out, "chunk_size", ready.chunk_size);
  AppendIntMember(&out, "total_chunks", ready.total_chunks);
  AppendMemberName(&out, "received");
  out.push_back('[');
  for (size_t i = 0; i < ready.received.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.push_back('[');
    payload::AppendInt(&out, ready.received[i].first);
    out.push_back(',');
    payload::AppendInt(&out, ready.received[i].second);
    out.push_back(']');
  }
  out.push_back(']');
  AppendIntMember(&out, "window", ready.window);
  AppendTimeMember(&out, "expires_at", ready.expires_at_ms);
  return EndReply(std::move(out), to);
}

std::string MessageEncoder::FileChunkAck(const ChunkAck& ack, const ReplyTo& to) {
  std::string out;
  Begin("file_chunk_ack", &out);
  AppendStringMember(&out, "upload_id", ack.upload_id);
  AppendIntMember(&out, "chunk_index", ack.chunk_index);
  AppendIntMember(&out, "received_chunks", ack.received_chunks);
  AppendIntMember(&out, "total_chunks", ack.total_chunks);
  return EndReply(std::move(out), to);
}

std::string MessageEncoder::FileUploadCancelled(std::string_view upload_id, const ReplyTo& to) {
  std::string out;
  Begin("file_upload_cancelled", &out);
  AppendStringMember(&out, "upload_id", upload_id);
  return EndReply(std::move(out), to);
}

std::string MessageEncoder::FileUploadComplete(const UploadComplete& complete, const ReplyTo* to) {
  std::string out;
  Begin("file_upload_complete", &out);
  AppendStringMember(&out, "upload_id", complete.upload_id);
  AppendStringMember(&out, "file_id", complete.file_id);
  AppendStringMember(&out, "url", complete.url);
  AppendStringMember(&out, "processing_status", complete.processing_status);
  return End(std::move(out), to);
}

std::string MessageEncoder::FileStatus(const UploadStatus& status) {
  std::string out;
  Begin("file_status", &out);
  AppendStringMember(&out, "upload_id", status.upload_id);
  AppendStringMember(&out, "file_id", status.file_id);
  AppendStringMember(&out, "processing_status", status.processing_status);
  AppendRawMember(&out, "details", status.details);
  return End(std::move(out));
}

std::string MessageEncoder::AuthExpiring(int64_t expires_at_ms) {
  std::string out;
  Begin("auth_expiring", &out);
  AppendTimeMember(&out, "expires_at", expires_at_ms);
  return End(std::move(out));
}

std::string MessageEncoder::AuthRefreshed(int64_t expires_at_ms, const ReplyTo& to) {
  std::string out;
  Begin("auth_refreshed", &out);
  if (expires_at_ms > 0) AppendTimeMember(&out, "expires_at", expires_at_ms);
  return EndReply(std::move(out), to);
}

}  // namespace covet::edge
