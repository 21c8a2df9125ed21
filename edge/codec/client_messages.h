#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "edge/transport/connection.h"

// What a client sends, typed. Every std::string_view points into the Decoder's buffers, or into the
// frame for the bytes of a binary chunk: good until the next Decode. "JSON text" is valid JSON
// exactly as it was sent.
namespace covet::edge {

// Where to go on in a log.
struct ResumePoint {
  std::string_view epoch;
  int64_t offset = 0;
};

struct HeartbeatMessage {
  std::optional<int64_t> sequence;
};

struct JoinRoomMessage {
  std::string_view room_id;
  bool has_filter = false;  // `filter.event_types` was given; it may be empty.
  std::vector<std::string_view> event_types;
  std::optional<ResumePoint> resume;
  int32_t history = 0;
  bool subscribe_to_metrics = false;
};

struct LeaveRoomMessage {
  std::string_view room_id;
};

struct RoomMessage {
  std::string_view room_id;
  std::string_view event_type;
  std::string_view payload;          // JSON text of any kind.
  std::string_view idempotency_key;  // Empty if there is none.
};

enum class Severity : uint8_t { kDebug, kInfo, kNotice, kWarning, kError, kCritical };

enum class FilterOp : uint8_t { kEq, kNe, kGt, kGte, kLt, kLte, kIn };

// One comparison of `filters.fields`.
struct FilterTerm {
  std::string_view field;
  FilterOp op = FilterOp::kEq;
  // JSON text: a scalar for eq and ne, a number or string for the orderings, an array of scalars
  // for in.
  std::string_view operand;
};

struct StreamFilters {
  std::optional<Severity> min_severity;
  std::vector<std::string_view> tags;
  std::vector<FilterTerm> fields;
};

struct SubscribeMessage {
  std::string_view stream_type;
  std::string_view resource_id;
  StreamFilters filters;
  int32_t batch_interval_ms = 1000;  // As asked for; not yet rounded up.
  int32_t buffer_size = 100;
  bool conflate = false;
  std::optional<ResumePoint> resume;
  int32_t history = 0;
};

struct UnsubscribeMessage {
  std::string_view subscription_id;
};

struct RpcCallMessage {
  std::string_view method;
  std::string_view params = "{}";  // JSON text of an object.
  int32_t timeout_ms = 10'000;
};

struct RpcCancelMessage {
  std::string_view call_id;
};

struct NotificationAckMessage {
  std::string_view notification_id;
};

struct AuthRefreshMessage {
  std::string_view token;
};

struct FileUploadStartMessage {
  std::string_view filename;
  std::string_view mimetype;  // Empty if there is none.
  int64_t size = 0;           // Bytes.
  int64_t chunk_size = 0;     // Bytes.
  std::string_view sha256;    // 64 hex digits of either case, or empty.
  std::string_view metadata;  // JSON text of an object, or empty.
};

struct FileChunkMessage {
  std::string_view upload_id;
  int64_t chunk_index = 0;
  std::string_view checksum;  // 64 hex digits of either case.
  std::string_view data;      // Base64 text, unless `raw`.
  bool raw = false;           // From a binary frame: `data` is the chunk itself.
};

struct FileUploadResumeMessage {
  std::string_view upload_id;
};

struct FileUploadCancelMessage {
  std::string_view upload_id;
};

using ClientBody =
    std::variant<HeartbeatMessage, JoinRoomMessage, LeaveRoomMessage, RoomMessage, SubscribeMessage,
                 UnsubscribeMessage, RpcCallMessage, RpcCancelMessage, NotificationAckMessage,
                 AuthRefreshMessage, FileUploadStartMessage, FileChunkMessage,
                 FileUploadResumeMessage, FileUploadCancelMessage>;

struct ClientMessage {
  std::string_view type;
  std::string_view id;
  std::string_view correlation_id;  // Empty if there is none.
  std::string_view in_reply_to;  // Empty if there is none; on answers to the server's heartbeats.
  Priority priority = Priority::kNormal;
  int64_t ttl_ms =
      0;  // 0 if there is none. Never beyond 100 years, so that it can be added to any time.
  ClientBody body;
};

}  // namespace covet::edge
