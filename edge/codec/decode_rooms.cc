// Bodies of connection, rooms, RPC and notification messages.
#include "edge/codec/field_reader.h"

namespace covet::edge::codec {

bool ReadResume(FieldReader& in, ondemand::value& value, std::optional<ResumePoint>* out) {
  constexpr std::string_view kPath = "data.options.resume";
  constexpr FieldSpec kFields[] = {{"epoch", "string"}, {"offset", "integer"}};
  ondemand::object object;
  if (!in.Object(value, kPath, &object)) return false;
  ResumePoint& resume = out->emplace();
  return in.Each(object, kPath, kFields, 2, [&](size_t field, ondemand::value& value) {
    return field == 0
               ? in.String(value, "data.options.resume.epoch", 1, 128, &resume.epoch)
               : in.Integer(value, "data.options.resume.offset", 0, kMaxInteger, &resume.offset);
  });
}

bool DecodeBody(FieldReader& in, ondemand::object data, HeartbeatMessage* out) {
  constexpr FieldSpec kFields[] = {{"sequence", "integer"}};
  return in.Each(data, "data", kFields, 0, [&](size_t, ondemand::value& value) {
    return in.Integer(value, "data.sequence", 0, kMaxInteger, &out->sequence.emplace());
  });
}

namespace {

bool ReadNames(FieldReader& in, ondemand::value& value, std::string_view path,
               std::vector<std::string_view>* out) {
  ondemand::array array;
  if (!in.Array(value, path, &array)) return false;
  for (auto result : array) {
    if (result.error() != simdjson::SUCCESS) return in.Broken();
    ondemand::value element = result.value_unsafe();
    if (out->size() == kMaxFilterTerms) {
      return in.Fail(ErrorCode::kInvalidMessageFormat, path,
                     "array of at most " + std::to_string(kMaxFilterTerms), "more");
    }
    if (!in.Name(element, path, &out->emplace_back())) {
      in.error().field += "[" + std::to_string(out->size() - 1) + "]";
      return false;
    }
  }
  return true;
}

bool ReadJoinFilter(FieldReader& in, ondemand::value& value, JoinRoomMessage* out) {
  constexpr std::string_view kPath = "data.options.filter";
  constexpr FieldSpec kFields[] = {{"event_types", "array"}};
  ondemand::object object;
  if (!in.Object(value, kPath, &object)) return false;
  return in.Each(object, kPath, kFields, 0, [&](size_t, ondemand::value& value) {
    out->has_filter = true;
    return ReadNames(in, value, "data.options.filter.event_types", &out->event_types);
  });
}

bool ReadJoinOptions(FieldReader& in, ondemand::value& value, JoinRoomMessage* out) {
  constexpr FieldSpec kFields[] = {{"filter", "object"},
                                   {"resume", "object"},
                                   {"history", "integer"},
                                   {"subscribe_to_metrics", "boolean"}};
  ondemand::object object;
  if (!in.Object(value, "data.options", &object)) return false;
  return in.Each(object, "data.options", kFields, 0, [&](size_t field, ondemand::value& value) {
    switch (field) {
      case 0:
        return ReadJoinFilter(in, value, out);
      case 1:
        return ReadResume(in, value, &out->resume);
      case 2:
        return in.Integer32(value, "data.options.history", 0, kMaxHistory, &out->history);
      default:
        return in.Bool(value, "data.options.subscribe_to_metrics", &out->subscribe_to_metrics);
    }
  });
}

// A body with nothing but one id that the client or the server made.
bool ReadOnlyId(FieldReader& in, ondemand::object data, std::string_view name,
                std::string_view path, std::string_view* out) {
  const FieldSpec fields[] = {{name, "string"}};
  return in.Each(data, "data", fields, 1,
                 [&](size_t, ondemand::value& value) { return in.Id(value, path, out); });
}

}  // namespace

bool DecodeBody(FieldReader& in, ondemand::object data, JoinRoomMessage* out) {
  constexpr FieldSpec kFields[] = {{"room_id", "string"}, {"options", "object"}};
  return in.Each(data, "data", kFields, 1, [&](size_t field, ondemand::value& value) {
    return field == 0 ? in.Name(value, "data.room_id", &out->room_id)
                      : ReadJoinOptions(in, value, out);
  });
}

bool DecodeBody(FieldReader& in, ondemand::object data, LeaveRoomMessage* out) {
  constexpr FieldSpec kFields[] = {{"room_id", "string"}};
  return in.Each(data, "data", kFields, 1, [&](size_t, ondemand::value& value) {
    return in.Name(value, "data.room_id", &out->room_id);
  });
}

bool DecodeBody(FieldReader& in, ondemand::object data, RoomMessage* out) {
  constexpr FieldSpec kFields[] = {{"room_id", "string"},
                                   {"event_type", "string"},
                                   {"payload", "any JSON value"},
                                   {"idempotency_key", "string"}};
  return in.Each(data, "data", kFields, 3, [&](size_t field, ondemand::value& value) {
    switch (field) {
      case 0:
        return in.Name(value, "data.room_id", &out->room_id);
      case 1:
        return in.Name(value, "data.event_type", &out->event_type);
      case 2:
        return in.Raw(value, "data.payload", in.limits().room_payload, &out->payload);
      default:
        return in.Id(value, "data.idempotency_key", &out->idempotency_key);
    }
  });
}

bool DecodeBody(FieldReader& in, ondemand::object data, RpcCallMessage* out) {
  // A full name, package.Service/Method, may be longer than an id.
  constexpr size_t kMaxMethod = 256;
  constexpr FieldSpec kFields[] = {
      {"method", "string"}, {"params", "object"}, {"timeout", "integer"}};
  return in.Each(data, "data", kFields, 1, [&](size_t field, ondemand::value& value) {
    switch (field) {
      case 0:
        return in.String(value, "data.method", 1, kMaxMethod, &out->method);
      case 1:
        return in.RawObject(value, "data.params", in.limits().rpc_params, &out->params);
      default:
        return in.Integer32(value, "data.timeout", 1, 60'000, &out->timeout_ms);
    }
  });
}

bool DecodeBody(FieldReader& in, ondemand::object data, RpcCancelMessage* out) {
  return ReadOnlyId(in, data, "call_id", "data.call_id", &out->call_id);
}

bool DecodeBody(FieldReader& in, ondemand::object data, NotificationAckMessage* out) {
  return ReadOnlyId(in, data, "notification_id", "data.notification_id", &out->notification_id);
}

bool DecodeBody(FieldReader& in, ondemand::object data, UnsubscribeMessage* out) {
  return ReadOnlyId(in, data, "subscription_id", "data.subscription_id", &out->subscription_id);
}

bool DecodeBody(FieldReader& in, ondemand::object data, FileUploadResumeMessage* out) {
  return ReadOnlyId(in, data, "upload_id", "data.upload_id", &out->upload_id);
}

bool DecodeBody(FieldReader& in, ondemand::object data, FileUploadCancelMessage* out) {
  return ReadOnlyId(in, data, "upload_id", "data.upload_id", &out->upload_id);
}

bool DecodeBody(FieldReader& in, ondemand::object data, AuthRefreshMessage* out) {
  constexpr size_t kMaxToken = 16 * 1024;
  constexpr FieldSpec kFields[] = {{"token", "string"}};
  return in.Each(data, "data", kFields, 1, [&](size_t, ondemand::value& value) {
    return in.String(value, "data.token", 1, kMaxToken, &out->token);
  });
}

}  // namespace covet::edge::codec
