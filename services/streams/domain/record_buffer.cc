#include "services/streams/domain/record_buffer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/string_map.h"
#include "common/errors/refusals.h"
#include "common/eventlog/record_codec.h"
#include "common/payload/json_string.h"
#include "common/payload/json_writer.h"
#include "services/streams/domain/names.h"
#include "services/streams/domain/stored_record.h"

namespace covet::streams {
namespace {

struct Present {
  bool timestamp = false;
  bool severity = false;
  bool tags = false;
  bool key = false;
};

Present FindPresent(const std::vector<payload::JsonMember>& members) {
  Present present;
  std::string scratch;
  for (const payload::JsonMember& member : members) {
    const std::string_view name = payload::UnescapedView(member.name, &scratch);
    present.timestamp |= name == "timestamp";
    present.severity |= name == "severity";
    present.tags |= name == "tags";
    present.key |= name == "key";
  }
  return present;
}

absl::Status CheckFields(const RecordFields& fields) {
  if (fields.severity != v1::SEVERITY_UNSPECIFIED && SeverityName(fields.severity).empty()) {
    return InvalidField("severity", "a severity", absl::StrCat(fields.severity));
  }
  if (fields.tags.size() > kMaxTags) {
    return InvalidField("tags", "at most 32 tags", absl::StrCat(fields.tags.size()));
  }
  for (const std::string_view tag : fields.tags) {
    if (tag.empty() || tag.size() > kMaxTagBytes) {
      return InvalidField("tags", "tags of 1 to 128 bytes", absl::StrCat(tag.size(), " bytes"));
    }
  }
  if (fields.key.size() > kMaxKeyBytes) {
    return InvalidField("key", "at most 128 bytes", absl::StrCat(fields.key.size(), " bytes"));
  }
  if (fields.ttl_ms < 0) return InvalidField("ttl", "not negative", "a negative duration");
  return absl::OkStatus();
}

}  // namespace

absl::Status RecordBuffer::Add(std::string_view json, const RecordFields& fields) {
  if (json.size() > kMaxRecordBytes) {
    return PayloadTooLarge(static_cast<int64_t>(kMaxRecordBytes),
                           static_cast<int64_t>(json.size()));
  }
  if (absl::Status status = CheckFields(fields); !status.ok()) return status;
  const payload::JsonScanResult scan = payload::ScanJsonMembers(json, &members_);
  if (!scan.ok()) {
    return InvalidField(
        "payload", "JSON text",
        absl::StrCat(ToAbsl(payload::JsonErrorText(scan.error)), " at byte ", scan.offset));
  }
  if (scan.kind != payload::JsonKind::kObject) {
    return InvalidField("payload", "a JSON object", payload::JsonKindName(scan.kind));
  }

  record_.clear();
  AppendStored({.expires_ms = fields.ttl_ms > 0 ? now_ms_ + fields.ttl_ms : 0,
                .dedup_hash = fields.dedup_hash,
                .gap = gap_,
                .json = json},
               &record_);
  const Present present = FindPresent(members_);
  const bool add_severity = fields.severity != v1::SEVERITY_UNSPECIFIED && !present.severity;
  const bool add_tags = !fields.tags.empty() && !present.tags;
  const bool add_key = !fields.key.empty() && !present.key;
  if (!present.timestamp || add_severity || add_tags || add_key) {
    // The members go before the closing brace; what stands before it stays as it was sent.
    record_.resize(record_.rfind('}'));
    auto begin = [&, first = members_.empty()](std::string_view name) mutable {
      record_.append(first ? "\"" : ",\"").append(name).append("\":");
      first = false;
    };
    if (!present.timestamp) {
      begin("timestamp");
      record_.push_back('"');
      payload::AppendRfc3339Millis(&record_, fields.timestamp_ms.value_or(now_ms_));
      record_.push_back('"');
    }
    if (add_severity) {
      begin("severity");
      payload::AppendQuoted(&record_, SeverityName(fields.severity));
    }
    if (add_tags) {
      begin("tags");
      char separator = '[';
      for (const std::string_view tag : fields.tags) {
        record_.push_back(std::exchange(separator, ','));
        payload::AppendQuoted(&record_, tag);
      }
      record_.push_back(']');
    }
    if (add_key) {
      begin("key");
      payload::AppendQuoted(&record_, fields.key);
    }
    record_.push_back('}');
  }
  last_start_ = data_.size();
  eventlog::EncodeRecord(record_, &data_);
  hashes_.push_back(fields.dedup_hash);
  has_keys_ |= fields.dedup_hash != 0;
  gap_ = false;
  return absl::OkStatus();
}

void RecordBuffer::Remove(const std::vector<size_t>& places) {
  std::string kept;
  std::vector<uint64_t> hashes;
  kept.reserve(data_.size());
  hashes.reserve(hashes_.size() - places.size());
  eventlog::RecordCursor cursor(data_);
  std::string_view record;
  auto place = places.begin();
  for (size_t i = 0; cursor.Next(&record); ++i) {
    if (place != places.end() && *place == i) {
      ++place;
      continue;
    }
    last_start_ = kept.size();
    eventlog::EncodeRecord(record, &kept);
    hashes.push_back(hashes_[i]);
  }
  data_ = std::move(kept);
  hashes_ = std::move(hashes);
}

std::string RecordBuffer::Encode(bool gap_before) && {
  std::string_view first;
  if (gap_before && eventlog::RecordCursor(data_).Next(&first)) {
    SetGapFlag(data_.data() + (first.data() - data_.data()));
  }
  if (!position_.empty() && !empty()) {
    std::string_view last;
    StoredRecord record;
    eventlog::RecordCursor(std::string_view(data_).substr(last_start_)).Next(&last);
    ParseStored(last, &record);
    record.position = position_;
    record_.clear();
    AppendStored(record, &record_);
    data_.resize(last_start_);
    eventlog::EncodeRecord(record_, &data_);
  }
  return std::move(data_);
}

}  // namespace covet::streams
