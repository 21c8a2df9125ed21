#include "common/backends/status_details.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "common/base/proto_time.h"
#include "common/errors/error.h"
#include "common/payload/json_writer.h"
#include "common/payload/utf8.h"
#include "common/protojson/schema.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace covet::backends {
namespace {

constexpr size_t kMaxCode = 128;
constexpr int kUnknown = 2;

constexpr std::array<std::string_view, 17> kNames = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

// The types of google/rpc/error_details.proto, which backends seldom describe.
const protojson::Schema& ErrorDetailsSchema() {
  static const std::shared_ptr<const protojson::Schema> schema = [] {
    std::vector<google::protobuf::FileDescriptorProto> files;
    std::vector<const google::protobuf::FileDescriptor*> todo = {
        google::rpc::ErrorInfo::descriptor()->file()};
    while (!todo.empty()) {
      const auto* const file = todo.back();
      todo.pop_back();
      file->CopyTo(&files.emplace_back());
      file->CopyJsonNameTo(&files.back());
      for (int i = 0; i < file->dependency_count(); ++i) todo.push_back(file->dependency(i));
    }
    return *protojson::Schema::Build(files);
  }();
  return *schema;
}

// UPPER_SNAKE, as AIP-193 wants reasons and the protocol its codes. What is not, is no code.
bool IsCode(std::string_view reason) {
  return !reason.empty() && reason.size() <= kMaxCode && reason[0] >= 'A' && reason[0] <= 'Z' &&
         std::all_of(reason.begin(), reason.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = p + text.size();
  while (p != end) {
    const size_t length = payload::Utf8SequenceLength(p, end);
    if (length == 0) {
      valid.append("\xEF\xBF\xBD");
      ++p;
    } else {
      valid.append(reinterpret_cast<const char*>(p), length);
      p += length;
    }
  }
  return valid;
}

void AppendMember(std::string* out, std::string_view name, std::string_view json) {
  if (out->back() != '{') out->push_back(',');
  payload::AppendQuoted(out, name);
  out->push_back(':');
  out->append(json);
}

std::string Quoted(std::string_view text) {
  std::string quoted;
  payload::AppendQuoted(&quoted, text);
  return quoted;
}

// `{"@type": …, …}`, or nothing for a type that is not known.
std::string AnyJson(const google::protobuf::Any& any, const protojson::Schema* schema) {
  const std::string_view type =
      std::string_view(any.type_url()).substr(any.type_url().rfind('/') + 1);
  const protojson::MessageCodec* codec = schema == nullptr ? nullptr : schema->FindMessage(type);
  if (codec == nullptr) codec = ErrorDetailsSchema().FindMessage(type);
  std::string content;
  if (codec == nullptr || !codec->WireToJson(any.value(), &content).ok()) return "";
  std::string json = "{";
  AppendMember(&json, "@type", Quoted(any.type_url()));
  if (content.front() != '{') {
    AppendMember(&json, "value", content);
    return json + "}";
  }
  if (content != "{}") json.push_back(',');
  return json.append(content, 1);
}

class DetailsReader {
 public:
  DetailsReader(CallError* error, const protojson::Schema* schema)
      : error_(*error), schema_(schema) {}

  void Read(const google::rpc::Status& status) {
    for (const google::protobuf::Any& detail : status.details()) {
      google::rpc::ErrorInfo info;
      google::rpc::BadRequest bad_request;
      google::rpc::RetryInfo retry;
      if (detail.Is<google::rpc::ErrorInfo>() && detail.UnpackTo(&info)) {
        if (IsCode(info.reason())) error_.code = info.reason();
        for (const auto& [key, value] : info.metadata()) metadata_.emplace_back(key, value);
      } else if (detail.Is<google::rpc::BadRequest>() && detail.UnpackTo(&bad_request)) {
        for (const auto& violation : bad_request.field_violations()) Violation(violation);
      } else if (detail.Is<google::rpc::RetryInfo>() && detail.UnpackTo(&retry)) {
        const auto& delay = retry.retry_delay();
        if (delay.seconds() >= 0 && delay.seconds() <= kMaxRetrySeconds && delay.nanos() >= 0) {
          error_.retry_after_ms = Millis(delay);
        }
      } else if (!detail.Is<google::rpc::DebugInfo>()) {
        if (const std::string json = AnyJson(detail, schema_); !json.empty()) {
          if (!others_.empty()) others_.push_back(',');
          others_.append(json);
        }
      }
    }
  }

  std::string Json() {
    std::sort(metadata_.begin(), metadata_.end());
    if (!violations_.empty()) AddUnlessThere("field_violations", "[" + violations_ + "]");
    if (!others_.empty()) AddUnlessThere("details", "[" + others_ + "]");
    std::string json = "{";
    for (const auto& [key, value] : metadata_) AppendMember(&json, key, Quoted(value));
    for (const auto& [key, value] : more_) AppendMember(&json, key, value);
    return json == "{" ? "" : json + "}";
  }

 private:
  static constexpr int64_t kMaxRetrySeconds = 366 * 86'400;

  void Violation(const google::rpc::BadRequest::FieldViolation& violation) {
    std::string json = "{";
    AppendMember(&json, "field", Quoted(violation.field()));
    AppendMember(&json, "description", Quoted(violation.description()));
    if (!violations_.empty()) violations_.push_back(',');
    violations_.append(json).push_back('}');
  }
  // The backend's own metadata wins.
  void AddUnlessThere(const std::string& key, std::string json) {
    for (const auto& [name, value] : metadata_) {
      if (name == key) return;
    }
    more_.emplace_back(key, std::move(json));
  }

  CallError& error_;
  const protojson::Schema* const schema_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::vector<std::pair<std::string, std::string>> more_;
  std::string violations_;
  std::string others_;
};

}  // namespace

std::string_view GrpcStatusName(int code) {
  return code >= 0 && code < static_cast<int>(kNames.size()) ? kNames[static_cast<size_t>(code)]
                                                             : kNames[kUnknown];
}

CallError FromBackendStatus(const grpc::Status& status, const protojson::Schema* schema) {
  CallError error;
  error.grpc_status =
      status.error_code() > 0 && status.error_code() < static_cast<int>(kNames.size())
          ? status.error_code()
          : kUnknown;
  error.code = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED
                   ? "RPC_TIMEOUT"
                   : GrpcStatusName(error.grpc_status);
  error.message = ValidUtf8(status.error_message());
  google::rpc::Status rich;
  if (!status.error_details().empty() && rich.ParseFromString(status.error_details())) {
    DetailsReader reader(&error, schema);
    reader.Read(rich);
    error.details = reader.Json();
    if (error.message.empty()) error.message = rich.message();
  }
  if (error.message.empty()) error.message = GrpcStatusName(error.grpc_status);
  return error;
}

CallError FromStatus(const absl::Status& status) {
  CallError error;
  error.code = ProtocolCodeOf(status);
  error.message = std::string(status.message());
  error.grpc_status = static_cast<int>(status.code());
  const ErrorDetails details = DetailsOf(status);
  if (!details.empty()) {
    error.details = "{";
    for (const auto& [key, value] : details) AppendMember(&error.details, key, Quoted(value));
    error.details.push_back('}');
  }
  return error;
}

}  // namespace covet::backends
