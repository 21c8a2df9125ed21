#include "common/eventlog/record_codec.h"

#include <cstdint>

namespace covet::eventlog {
namespace {

constexpr size_t kMaxLengthBytes = 5;  // Lengths below 2^35, far beyond what SQLite takes.

void AppendLength(size_t length, std::string* blob) {
  while (length >= 0x80) {
    blob->push_back(static_cast<char>(length | 0x80));
    length >>= 7;
  }
  blob->push_back(static_cast<char>(length));
}

}  // namespace

void EncodeRecords(const std::vector<std::shared_ptr<const std::string>>& records,
                   std::string* blob) {
  size_t size = 0;
  for (const auto& record : records) size += record->size() + kMaxLengthBytes;
  blob->clear();
  blob->reserve(size);
  for (const auto& record : records) EncodeRecord(*record, blob);
}

void EncodeRecord(std::string_view record, std::string* blob) {
  AppendLength(record.size(), blob);
  blob->append(record);
}

bool RecordCursor::Next(std::string_view* record) {
  uint64_t length = 0;
  size_t i = 0;
  for (;; ++i) {
    if (i == rest_.size() || i == kMaxLengthBytes) return false;
    const auto byte = static_cast<uint8_t>(rest_[i]);
    length |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) break;
  }
  ++i;
  if (length > rest_.size() - i) return false;
  *record = rest_.substr(i, length);
  rest_.remove_prefix(i + length);
  return true;
}

}  // namespace covet::eventlog
