#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/errors/error.h"
#include "edge/frame/frame.h"
#include "edge/transport/connection.h"

// What the server sends, as JSON text. "JSON text" arguments go out as they are and must be valid
// JSON; all other strings are escaped here.
namespace covet::edge {

// A message's text, with where something may be inserted for one reader, as edge::Frame takes it.
struct EncodedMessage {
  std::string text{};
  size_t splice = Frame::kNoSplice;
};

// The request that a message answers.
struct ReplyTo {
  std::string_view id{};
  std::string_view correlation_id{};  // If empty, `id` stands in for it.
};

struct RateLimit {
  int64_t limit = 0;
  int64_t remaining = 0;
  int64_t reset_ms = 0;  // Unix time at which one more request is accepted.
};

// What `error` and `rpc_error` say. Whether it is recoverable follows from the code.
struct ErrorMessage {
  std::string code{};  // Of the protocol; in an rpc_error a backend's own too.
  std::string message{};
  ErrorDetails details{};
  std::optional<RateLimit> rate_limit{};
  std::string details_json{};  // JSON text of an object; if not empty it stands for `details`.
};

struct DecodeError;
ErrorMessage ToErrorMessage(const DecodeError& error);
// For anything but RATE_LIMITED, whose `rate_limit` the caller adds. Requires !status.ok().
ErrorMessage ToErrorMessage(const absl::Status& status);

// `limits` of connection_ack. Members that are 0 are left out: no bound.
struct ConnectionLimits {
  int64_t message_bytes = 0;
  int64_t room_payload_bytes = 0;
  int64_t record_bytes = 0;
  int64_t chunk_bytes = 0;
  int64_t rpc_params_bytes = 0;
  int64_t rpc_result_bytes = 0;
  int64_t json_depth = 0;
  int64_t id_length = 0;  // Characters.
  int64_t outbound_queue_bytes = 0;
  int64_t outbound_queue_ms = 0;
  int64_t rooms = 0;
  int64_t subscriptions = 0;
  int64_t calls_in_flight = 0;
  int64_t connections = 0;
  int64_t connection_attempts_per_minute = 0;
  int64_t messages_per_minute = 0;
  int64_t rpc_calls_per_minute = 0;
  int64_t uploads_per_hour = 0;
};

struct ConnectionAck {
  std::string_view session_id{};
  std::string_view user_id{};
  std::span<const std::string_view> capabilities{};
  int64_t heartbeat_interval_ms = 0;
  int64_t resume_window_ms = 0;
  ConnectionLimits limits{};
};

struct RoomJoined {
  std::string_view room_id{};
  int64_t member_count = 0;
  std::span<const std::string> permissions{};
  std::string_view room_metadata = "{}";  // JSON text of an object.
  std::string_view epoch{};
  int64_t offset = 0;
  bool recovered = false;
};

struct RoomEvent {
  std::string_view room_id{};
  std::string_view epoch{};
  int64_t offset = 0;
  std::string_view event_type{};
  std::string_view user_id{};     // Of the sender; if empty there is no `sender`.
  std::string_view session_id{};  // Of the sender; empty if it has none.
  std::string_view payload{};     // JSON text.
  int64_t time_ms = 0;
  Priority priority = Priority::kNormal;
  std::string_view correlation_id{};
};

struct Presence {
  std::string_view room_id{};
  std::string_view action{};   // joined, left or count
  std::string_view user_id{};  // Empty for count.
  int64_t member_count = 0;
  int64_t time_ms = 0;
};

struct Subscribed {
  std::string_view subscription_id{};
  std::string_view stream_type{};
  std::string_view resource_id{};
  std::string_view epoch{};
  int64_t offset = 0;
  bool recovered = false;
};

struct StreamDataMessage {
  std::string_view stream_type{};
  std::string_view resource_id{};
  std::string_view epoch{};
  int64_t first_offset = 0;
  int64_t last_offset = 0;
  bool gap = false;
  std::vector<std::string_view> batch{};  // Each the JSON text of an object.
};

struct NotificationAction {
  std::string_view label{};
  std::string_view action{};
  std::string_view params{};  // JSON text, or empty.
};

struct NotificationMessage {
  std::string_view notification_id{};
  std::string_view notification_type{};
  std::string_view title{};
  std::string_view message{};
  std::string_view category{};  // Left out if empty.
  std::span<const NotificationAction> actions{};
  bool auto_dismiss = false;
  int64_t dismiss_after_ms = 0;  // Left out if 0.
  int64_t time_ms = 0;
  Priority priority = Priority::kNormal;
  std::string_view correlation_id{};
};

struct UploadReady {
  std::string_view upload_id{};
  int64_t chunk_size = 0;
  int64_t total_chunks = 0;
  std::span<const std::pair<int64_t, int64_t>> received{};  // First and last, both included.
  int64_t window = 0;
  int64_t expires_at_ms = 0;
};

struct ChunkAck {
  std::string_view upload_id{};
  int64_t chunk_index = 0;
  int64_t received_chunks = 0;
  int64_t total_chunks = 0;
};

struct UploadComplete {
  std::string_view upload_id{};
  std::string_view file_id{};
  std::string_view url{};
  std::string_view processing_status{};
};

struct UploadStatus {
  std::string_view upload_id{};
  std::string_view file_id{};
  std::string_view processing_status{};
  std::string_view details = "{}";  // JSON text of an object.
};

// Heads for a reader of a RoomEvent, made for its splice position.
inline constexpr std::string_view kReplayedHead = "\"replayed\":true,";
// The head for a reader of RoomMetrics and StreamData: `"subscription_id":"…",`.
std::string SubscriptionHead(std::string_view subscription_id);

// The same event for every member and in every replay: id `ev_<epoch>_<offset>`. Spliced at the
// start of `data`.
EncodedMessage EncodeRoomEvent(const RoomEvent& event);

// Encodes messages that get a fresh id and, unless they bring their own, the time of the call. Not
// thread-safe; one per thread.
class MessageEncoder {
 public:
  // Both must outlive it.
  MessageEncoder(MessageIds* ids, const Clock* clock) : ids_(*ids), clock_(*clock) {}

  std::string Connection(const ConnectionAck& ack);
  // The server's own.
  std::string Heartbeat(int64_t sequence);
  // Answers a client's, with its sequence if it had one.
  std::string HeartbeatReply(std::optional<int64_t> sequence, const ReplyTo& to);
  // `original_id` is left out if empty; without it there is no `metadata` either.
  std::string Error(const ErrorMessage& error, const ReplyTo& to);
  // Both carry the call's own id. `result` is JSON text.
  std::string RpcResponse(std::string_view result, const ReplyTo& call);
  std::string RpcError(const ErrorMessage& error, const ReplyTo& call);

  std::string Joined(const RoomJoined& joined, const ReplyTo& to);
  // `to` is null where the server ended the membership.
  std::string Left(std::string_view room_id, std::string_view reason, const ReplyTo* to);
  std::string MessageAck(std::string_view room_id, int64_t offset, bool duplicate,
                         const ReplyTo& to);
  // A room_event of type user_activity, without offset and epoch. Spliced like other room events.
  EncodedMessage Activity(const Presence& presence);
  // The stream_data of a room's own metrics; `record` is JSON text of an object. Spliced at the
  // start of `data`, where each reader's SubscriptionHead goes.
  EncodedMessage RoomMetrics(std::string_view room_id, std::string_view record);
  std::string Subscribed(const edge::Subscribed& subscribed, const ReplyTo& to);
  // Spliced as RoomMetrics.
  EncodedMessage StreamData(const StreamDataMessage& data);
  // `to` is null where the server ended the subscription.
  std::string Unsubscribed(std::string_view subscription_id, std::string_view reason,
                           const ReplyTo* to);

  std::string Notification(const NotificationMessage& notification);
  std::string NotificationRead(std::string_view notification_id);

  std::string FileUploadReady(const UploadReady& ready, const ReplyTo& to);
  std::string FileChunkAck(const ChunkAck& ack, const ReplyTo& to);
  std::string FileUploadCancelled(std::string_view upload_id, const ReplyTo& to);
  // `to` is null where nobody asked.
  std::string FileUploadComplete(const UploadComplete& complete, const ReplyTo* to);
  std::string FileStatus(const UploadStatus& status);

  std::string AuthExpiring(int64_t expires_at_ms);
  // `expires_at` is left out if 0: the new credential does not end.
  std::string AuthRefreshed(int64_t expires_at_ms, const ReplyTo& to);

 private:
  // `{"type":…,"id":…,"timestamp":…,"data":{`
  void Begin(std::string_view type, std::string* out);
  void BeginAt(std::string_view type, int64_t time_ms, std::string* out);
  // The same with the call's id.
  void BeginOfCall(std::string_view type, const ReplyTo& call, std::string* out);

  MessageIds& ids_;
  const Clock& clock_;
};

}  // namespace covet::edge
