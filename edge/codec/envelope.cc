#include "edge/codec/envelope.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/payload/json_scanner.h"
#include "edge/codec/field_reader.h"

namespace covet::edge {
namespace {

using codec::FieldReader;
using codec::FieldSpec;
using codec::Token;
namespace ondemand = simdjson::ondemand;

// Sums with it stay far from overflow, and nothing is kept that long.
constexpr int64_t kMaxTtlMillis = int64_t{100} * 365 * 86'400'000;

template <typename Body>
bool DecodeAs(FieldReader& in, ondemand::object data, ClientBody* body) {
  return codec::DecodeBody(in, data, &body->emplace<Body>());
}

struct MessageType {
  std::string_view name;
  bool (*decode)(FieldReader&, ondemand::object, ClientBody*);
  bool needs_data = true;
};

// The commonest first.
constexpr MessageType kTypes[] = {
    {"room_message", DecodeAs<RoomMessage>},
    {"rpc_call", DecodeAs<RpcCallMessage>},
    {"file_chunk", DecodeAs<FileChunkMessage>},
    {"heartbeat", DecodeAs<HeartbeatMessage>, false},
    {"join_room", DecodeAs<JoinRoomMessage>},
    {"leave_room", DecodeAs<LeaveRoomMessage>},
    {"subscribe", DecodeAs<SubscribeMessage>},
    {"unsubscribe", DecodeAs<UnsubscribeMessage>},
    {"notification_ack", DecodeAs<NotificationAckMessage>},
    {"rpc_cancel", DecodeAs<RpcCancelMessage>},
    {"auth_refresh", DecodeAs<AuthRefreshMessage>},
    {"file_upload_start", DecodeAs<FileUploadStartMessage>},
    {"file_upload_resume", DecodeAs<FileUploadResumeMessage>},
    {"file_upload_cancel", DecodeAs<FileUploadCancelMessage>},
};

const MessageType* FindType(std::string_view name) {
  for (const MessageType& type : kTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

enum EnvelopeField : size_t { kType, kId, kData, kMetadata, kTimestamp };
constexpr FieldSpec kEnvelope[] = {{"type", "string"},
                                   {"id", "string"},
                                   {"data", "object"},
                                   {"metadata", "object"},
                                   {"timestamp", "string"}};

bool ReadMetadata(FieldReader& in, ondemand::value& value, ClientMessage* message) {
  constexpr FieldSpec kFields[] = {{"correlation_id", "string"},
                                   {"priority", "string"},
                                   {"ttl", "integer"},
                                   {"in_reply_to", "string"}};
  constexpr std::string_view kPriorities[] = {"low", "normal", "high"};
  ondemand::object object;
  if (!in.Object(value, "metadata", &object)) return false;
  return in.Each(object, "metadata", kFields, 0, [&](size_t field, ondemand::value& value) {
    switch (field) {
      case 0:
        return in.Id(value, "metadata.correlation_id", &message->correlation_id);
      case 1: {
        size_t priority = 0;
        if (!in.OneOf(value, "metadata.priority", kPriorities, "low, normal or high",
                      ErrorCode::kInvalidMessageFormat, &priority)) {
          return false;
        }
        message->priority = static_cast<Priority>(static_cast<size_t>(Priority::kLow) + priority);
        return true;
      }
      case 2: {
        if (!in.Integer(value, "metadata.ttl", 1, codec::kMaxInteger, &message->ttl_ms))
          return false;
        message->ttl_ms = std::min(message->ttl_ms, kMaxTtlMillis);
        return true;
      }
      default:
        return in.Id(value, "metadata.in_reply_to", &message->in_reply_to);
    }
  });
}

}  // namespace

ErrorDetails DecodeError::Details() const {
  ErrorDetails details = {{"field", field}, {"expected", expected}, {"received", received}};
  if (!reason.empty()) details.emplace("reason", reason);
  return details;
}

class Decoder::Impl {
 public:
  explicit Impl(const DecodeLimits& limits) : limits_(limits) {}

  void set_limits(const DecodeLimits& limits) { limits_ = limits; }

  bool Decode(std::string_view frame, const std::string_view* chunk, ClientMessage* message,
              DecodeError* error) {
    *message = ClientMessage();
    *error = DecodeError();
    FieldReader in(&buffer_, &limits_, error);
    if (!Scan(in, frame)) return false;
    ondemand::document document;
    ondemand::object root;
    if (buffer_.parser().iterate(buffer_.Load(frame)).get(document) != simdjson::SUCCESS ||
        document.get_object().get(root) != simdjson::SUCCESS) {
      return in.Broken();
    }
    if (ReadAll(in, document, root, chunk, message)) return true;
    FindOrigin(in, frame);
    return false;
  }

  bool DecodeBinary(std::string_view frame, ClientMessage* message, DecodeError* error) {
    constexpr size_t kPrefix = 4;
    constexpr size_t kMaxEnvelope = 4096;
    size_t size = 0;
    for (size_t i = 0; i < kPrefix && i < frame.size(); ++i)
      size = size << 8 | static_cast<uint8_t>(frame[i]);
    if (frame.size() < kPrefix || size > kMaxEnvelope || size > frame.size() - kPrefix) {
      *error = DecodeError();
      return FieldReader(&buffer_, &limits_, error)
          .Fail(ErrorCode::kInvalidMessageFormat, "$",
                "a 4-byte length, a file_chunk envelope of at most 4096 bytes, the chunk",
                frame.size() < kPrefix ? std::to_string(frame.size()) + " bytes"
                                       : "a length of " + std::to_string(size));
    }
    const std::string_view chunk = frame.substr(kPrefix + size);
    return Decode(frame.substr(kPrefix, size), &chunk, message, error);
  }

 private:
  bool ReadAll(FieldReader& in, ondemand::document& document, ondemand::object root,
               const std::string_view* chunk, ClientMessage* message) {
    const MessageType* type = nullptr;
    if (!ReadTypeAndId(in, root, chunk != nullptr, &type, message)) return false;
    document.rewind();
    if (document.get_object().get(root) != simdjson::SUCCESS) return in.Broken();
    if (ReadRest(in, root, *type, chunk, message)) return true;
    in.error().type = type->name;
    return false;
  }

  // For the reply to a refused message: what it says of itself, if that much can be read. Begins
  // anew, since the buffer has room for each string once. The frame need not be valid.
  void FindOrigin(FieldReader& in, std::string_view frame) {
    ondemand::document document;
    ondemand::object root;
    if (buffer_.parser().iterate(buffer_.Load(frame)).get(document) != simdjson::SUCCESS ||
        document.get_object().get(root) != simdjson::SUCCESS) {
      return;
    }
    DecodeError refused = in.error();
    ondemand::value value;
    std::string_view id;
    if (refused.original_id.empty() &&
        root.find_field_unordered("id").get(value) == simdjson::SUCCESS &&
        in.Id(value, "id", &id)) {
      refused.original_id = id;
    }
    ondemand::object metadata;
    // What broke off the search for the one has left nothing to search for the other in.
    if (document.is_alive() &&
        root.find_field_unordered("metadata").get_object().get(metadata) == simdjson::SUCCESS &&
        metadata.find_field_unordered("correlation_id").get(value) == simdjson::SUCCESS &&
        in.Id(value, "metadata.correlation_id", &id)) {
      refused.correlation_id = id;
    }
    in.error() = std::move(refused);
  }

  bool Scan(FieldReader& in, std::string_view frame) {
    const payload::JsonScanResult scan = payload::ScanJson(frame, limits_.json_depth);
    if (!scan.ok()) {
      const std::string expected =
          scan.error == payload::JsonError::kTooDeep
              ? "JSON at most " + std::to_string(limits_.json_depth) + " deep"
              : "valid JSON";
      in.Fail(ErrorCode::kInvalidMessageFormat, "$", expected,
              std::string(payload::JsonErrorText(scan.error)) + " at byte " +
                  std::to_string(scan.offset));
      // The sender of what is merely too deep can be told which message it was.
      if (scan.error == payload::JsonError::kTooDeep) FindOrigin(in, frame);
      return false;
    }
    if (scan.kind == payload::JsonKind::kObject) return true;
    return in.Fail(ErrorCode::kInvalidMessageFormat, "$", "object",
                   payload::JsonKindName(scan.kind));
  }

  // These come first, wherever they stand: the type decides what the rest means, and an error names
  // the id.
  bool ReadTypeAndId(FieldReader& in, ondemand::object root, bool binary, const MessageType** type,
                     ClientMessage* message) {
    std::optional<Token> tokens[2];
    const bool unique = in.Each(root, "", kEnvelope, 0, [&](size_t field, ondemand::value& value) {
      if (field == kType || field == kId) tokens[field] = Token(value);
      return true;
    });
    if (!unique) return false;
    DecodeError id_error;
    bool has_id = false;
    if (tokens[kId]) {
      has_id = in.Id(*tokens[kId], "id", &message->id);
      if (!has_id) id_error = in.error();
      in.error() = DecodeError();
      if (has_id) in.error().original_id = message->id;
    }
    if (!tokens[kType]) return in.Missing("", kEnvelope[kType]);
    std::string_view name;
    if (!in.Text(*tokens[kType], "type", &name)) return false;
    *type = FindType(name);
    if (*type == nullptr) return in.WrongValue("type", "a type that clients send", *tokens[kType]);
    if (binary && name != "file_chunk") {
      return in.WrongValue("type", "file_chunk in a binary frame", *tokens[kType]);
    }
    message->type = (*type)->name;
    if (has_id) return true;
    if (!tokens[kId]) return in.Missing("", kEnvelope[kId]);
    in.error() = id_error;
    return false;
  }

  bool ReadRest(FieldReader& in, ondemand::object root, const MessageType& type,
                const std::string_view* chunk, ClientMessage* message) {
    bool has_data = false;
    const bool ok = in.Each(root, "", kEnvelope, 0, [&](size_t field, ondemand::value& value) {
      switch (field) {
        case kData: {
          has_data = true;
          ondemand::object data;
          if (!in.Object(value, "data", &data)) return false;
          if (chunk == nullptr) return type.decode(in, data, &message->body);
          auto& body = message->body.emplace<FileChunkMessage>();
          body.raw = true;
          body.data = *chunk;
          return codec::DecodeBody(in, data, &body);
        }
        case kMetadata:
          return ReadMetadata(in, value, message);
        case kTimestamp: {
          // Only its type is checked: the server goes by its own clock.
          const Token token(value);
          return token.kind() == payload::JsonKind::kString ||
                 in.WrongType("timestamp", "string", token);
        }
        default:
          return true;
      }
    });
    if (!ok) return false;
    if (!has_data && type.needs_data) return in.Missing("", kEnvelope[kData]);
    if (chunk != nullptr && chunk->size() > limits_.chunk) {
      return in.TooLarge("data.data", limits_.chunk, chunk->size());
    }
    return true;
  }

  DecodeLimits limits_;
  codec::FrameBuffer buffer_;
};

Decoder::Decoder(const DecodeLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
Decoder::~Decoder() = default;

bool Decoder::Decode(std::string_view frame, ClientMessage* message, DecodeError* error) {
  return impl_->Decode(frame, nullptr, message, error);
}

bool Decoder::DecodeBinary(std::string_view frame, ClientMessage* message, DecodeError* error) {
  return impl_->DecodeBinary(frame, message, error);
}

void Decoder::set_limits(const DecodeLimits& limits) { impl_->set_limits(limits); }

}  // namespace covet::edge
