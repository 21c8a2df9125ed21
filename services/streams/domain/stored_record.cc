#include "services/streams/domain/stored_record.h"

namespace covet::streams {
namespace {

constexpr uint8_t kExpires = 1;
constexpr uint8_t kDedup = 2;
constexpr uint8_t kGap = 4;
constexpr uint8_t kPosition = 8;
constexpr uint8_t kKnown = kExpires | kDedup | kGap | kPosition;

void AppendLittleEndian(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

bool TakeLittleEndian(std::string_view* in, size_t bytes, uint64_t* value) {
  if (in->size() < bytes) return false;
  *value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    *value |= static_cast<uint64_t>(static_cast<uint8_t>((*in)[i])) << (8 * i);
  }
  in->remove_prefix(bytes);
  return true;
}

}  // namespace

void AppendStored(const StoredRecord& record, std::string* out) {
  uint8_t flags = 0;
  if (record.expires_ms != 0) flags |= kExpires;
  if (record.dedup_hash != 0) flags |= kDedup;
  if (record.gap) flags |= kGap;
  if (!record.position.empty()) flags |= kPosition;
  out->push_back(static_cast<char>(flags));
  if (flags & kExpires) AppendLittleEndian(static_cast<uint64_t>(record.expires_ms), 8, out);
  if (flags & kDedup) AppendLittleEndian(record.dedup_hash, 8, out);
  if (flags & kPosition) {
    AppendLittleEndian(record.position.size(), 2, out);
    out->append(record.position);
  }
  out->append(record.json);
}

bool ParseStored(std::string_view bytes, StoredRecord* record) {
  *record = {};
  if (bytes.empty()) return false;
  const auto flags = static_cast<uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  if ((flags & ~kKnown) != 0) return false;
  uint64_t value = 0;
  if (flags & kExpires) {
    if (!TakeLittleEndian(&bytes, 8, &value)) return false;
    record->expires_ms = static_cast<int64_t>(value);
  }
  if ((flags & kDedup) && !TakeLittleEndian(&bytes, 8, &record->dedup_hash)) return false;
  record->gap = (flags & kGap) != 0;
  if (flags & kPosition) {
    if (!TakeLittleEndian(&bytes, 2, &value) || bytes.size() < value) return false;
    record->position = bytes.substr(0, value);
    bytes.remove_prefix(value);
  }
  record->json = bytes;
  return true;
}

void SetGapFlag(char* first) { *first = static_cast<char>(static_cast<uint8_t>(*first) | kGap); }

}  // namespace covet::streams
