#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/payload/json_scanner.h"
#include "covet/streams/v1/streams.pb.h"

namespace covet::streams {

inline constexpr size_t kMaxRecordBytes = 64 << 10;  // Of JSON text, as it is handed in.
inline constexpr size_t kMaxTags = 32;
inline constexpr size_t kMaxTagBytes = 128;
inline constexpr size_t kMaxKeyBytes = 128;

// What goes with a record. Members are written into it where it lacks them.
struct RecordFields {
  std::optional<int64_t> timestamp_ms;  // Since the Unix epoch; the buffer's time if unset.
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  absl::Span<const std::string_view> tags;
  std::string_view key;
  int64_t ttl_ms = 0;       // From the append; 0 never ends.
  uint64_t dedup_hash = 0;  // Of user and idempotency key; 0 if there is none.
};

// Records on their way to the log, in one buffer: each is scanned once, and what it lacks is
// written into it. The buffer is what the log keeps and readers share (record_block.h). Not
// thread-safe.
class RecordBuffer {
 public:
  // `now_ms`: wall clock, the timestamp of records that have none.
  explicit RecordBuffer(int64_t now_ms) : now_ms_(now_ms) {}

  // Adds a record. INVALID_ARGUMENT, with the buffer as before, if `json` is not a JSON object of
  // at most kMaxRecordBytes nested at most 64 deep, or if a field is over its bound.
  absl::Status Add(std::string_view json, const RecordFields& fields = {});

  // The source lost records just before the one that is added next, or, where none follows, before
  // the first of a later buffer.
  void MarkGap() {
    gap_ = true;
    ++gaps_;
  }

  // Where the source goes on after everything in here, at most 4 KiB of its own making; stored with
  // the records in one commit. Without records it alone is stored. For sources only.
  void SetPosition(std::string position) { position_ = std::move(position); }

  void Reserve(size_t bytes) { data_.reserve(bytes); }
  bool empty() const { return hashes_.empty(); }
  size_t count() const { return hashes_.size(); }
  // Of the records as they are stored.
  size_t bytes() const { return data_.size(); }
  int64_t now_ms() const { return now_ms_; }

  // For the log's owner.

  // One for each record; all 0 where none has an idempotency key, which has_keys tells.
  const std::vector<uint64_t>& hashes() const { return hashes_; }
  bool has_keys() const { return has_keys_; }
  const std::string& position() const { return position_; }
  // Takes out the records at these places, ascending.
  void Remove(const std::vector<size_t>& places);
  // Whether a gap waits for a record.
  bool gap_pending() const { return gap_; }
  // How often MarkGap was called.
  int64_t gaps() const { return gaps_; }
  // The records in the form of EncodeRecords, the last one with the position. The buffer is of no
  // use afterwards. `gap_before` marks the first.
  std::string Encode(bool gap_before) &&;

 private:
  const int64_t now_ms_;
  std::string data_;       // Stored records, each behind its length.
  size_t last_start_ = 0;  // Of the last one's length in `data_`.
  std::vector<uint64_t> hashes_;
  bool has_keys_ = false;
  bool gap_ = false;
  int64_t gaps_ = 0;
  std::string position_;
  std::vector<payload::JsonMember> members_;  // Scratch.
  std::string record_;                        // Scratch.
};

}  // namespace covet::streams
