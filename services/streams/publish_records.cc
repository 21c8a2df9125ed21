#include "services/streams/publish_records.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/proto_time.h"
#include "common/config/config.h"
#include "common/errors/error.h"
#include "common/eventlog/dedup_index.h"
#include "common/payload/struct_json.h"
#include "services/streams/domain/errors.h"

namespace covet::streams {
namespace {

constexpr int kMaxRecords = 10'000;
constexpr size_t kMaxKeyChars = 128;
// A record's fields beside its payload, about.
constexpr size_t kRecordOverhead = 64;
// Of a Timestamp: the years 0001 to 9999.
constexpr int64_t kMinSeconds = -62'135'596'800;
constexpr int64_t kMaxSeconds = 253'402'300'799;
constexpr int64_t kMaxTtlSeconds = int64_t{36'525} * 86'400;
constexpr int32_t kNanosOfSecond = 1'000'000'000;

// The same error with the record's place in its field.
absl::Status AtRecord(const absl::Status& status, int index) {
  ErrorDetails details = DetailsOf(status);
  const std::string place = absl::StrCat("records[", index, "]");
  const auto field = details.find("field");
  if (field == details.end()) {
    details["field"] = place + ".payload";
  } else {
    field->second = absl::StrCat(place, ".", field->second);
  }
  return MakeError(CodeOf(status), absl::StrCat(place, ": ", status.message()), std::move(details));
}

absl::Status AddRecord(const v1::NewRecord& record, std::string_view user_id,
                       std::vector<std::string_view>* tags, std::string* scratch,
                       RecordBuffer* buffer) {
  RecordFields fields;
  if (record.has_timestamp()) {
    const google::protobuf::Timestamp& time = record.timestamp();
    if (time.seconds() < kMinSeconds || time.seconds() > kMaxSeconds || time.nanos() < 0 ||
        time.nanos() >= kNanosOfSecond) {
      return InvalidField("timestamp", "a time in the years 0001 to 9999",
                          absl::StrCat(time.seconds(), " s, ", time.nanos(), " ns"));
    }
    fields.timestamp_ms = Millis(time);
  }
  if (record.ttl().seconds() < 0 || record.ttl().seconds() > kMaxTtlSeconds ||
      record.ttl().nanos() < 0 || record.ttl().nanos() >= kNanosOfSecond) {
    return InvalidField("ttl", "0 to 100 years", absl::StrCat(record.ttl().seconds(), " s"));
  }
  fields.severity = record.severity();
  tags->assign(record.tags().begin(), record.tags().end());
  fields.tags = *tags;
  fields.key = record.key();
  fields.ttl_ms = config::Millis(record.ttl());
  if (!record.idempotency_key().empty()) {
    if (record.idempotency_key().size() > kMaxKeyChars) {
      return InvalidField("idempotency_key", "at most 128 bytes",
                          absl::StrCat(record.idempotency_key().size(), " bytes"));
    }
    fields.dedup_hash = eventlog::DedupIndex::Hash(user_id, record.idempotency_key());
  }
  const common::v1::Payload& payload = record.payload();
  if (payload.kind_case() == common::v1::Payload::kJson) {
    return buffer->Add(payload.json(), fields);
  }
  if (payload.kind_case() != common::v1::Payload::kStructured) {
    return InvalidField("payload", "a Struct, or JSON text", "nothing");
  }
  scratch->clear();
  if (absl::Status status = payload::StructToJson(payload.structured(), scratch); !status.ok()) {
    return InvalidField("payload", "a Struct that JSON can say", std::string(status.message()));
  }
  return buffer->Add(*scratch, fields);
}

}  // namespace

absl::StatusOr<std::shared_ptr<RecordBuffer>> ToRecords(const v1::PublishRequest& request,
                                                        std::string_view user_id, int64_t now_ms) {
  if (request.records_size() < 1 || request.records_size() > kMaxRecords) {
    return InvalidField("records", "1 to 10000 records", absl::StrCat(request.records_size()));
  }
  auto buffer = std::make_shared<RecordBuffer>(now_ms);
  size_t bytes = 0;
  for (const v1::NewRecord& record : request.records()) {
    bytes += record.payload().json().size() + kRecordOverhead;
  }
  buffer->Reserve(bytes);
  std::vector<std::string_view> tags;
  std::string scratch;
  for (int i = 0; i < request.records_size(); ++i) {
    const absl::Status added =
        AddRecord(request.records(i), user_id, &tags, &scratch, buffer.get());
    if (!added.ok()) return AtRecord(added, i);
  }
  return buffer;
}

}  // namespace covet::streams
