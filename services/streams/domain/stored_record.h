#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace covet::streams {

// A record as the log keeps it: one byte that tells what is there, then expires_ms and dedup_hash
// (8 bytes each, little-endian), then the position behind its length (2 bytes), then the JSON text
// to the end.
struct StoredRecord {
  int64_t expires_ms = 0;     // Wall clock; 0 never ends.
  uint64_t dedup_hash = 0;    // 0 without an idempotency key.
  bool gap = false;           // The source lost records just before this one.
  std::string_view position;  // Where the source goes on after the commit that this belongs to.
  std::string_view json;
};

inline constexpr size_t kMaxPositionBytes = 4096;

// Whether its time to live, if it has one, is not over.
inline bool IsAlive(const StoredRecord& record, int64_t now_ms) {
  return record.expires_ms == 0 || now_ms < record.expires_ms;
}

// `position` at most kMaxPositionBytes.
void AppendStored(const StoredRecord& record, std::string* out);

// Views point into `bytes`. False for what AppendStored did not make.
bool ParseStored(std::string_view bytes, StoredRecord* record);

// Sets `gap` in a stored record that begins at `first`.
void SetGapFlag(char* first);

}  // namespace covet::streams
