#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace covet::eventlog {

// The records of one batch as one blob: each record behind its length (LEB128).

// Replaces what `blob` holds.
void EncodeRecords(const std::vector<std::shared_ptr<const std::string>>& records,
                   std::string* blob);

// Appends one record.
void EncodeRecord(std::string_view record, std::string* blob);

// Walks a blob. Views point into it.
class RecordCursor {
 public:
  explicit RecordCursor(std::string_view blob) : rest_(blob) {}
  // False at the end and where the blob is damaged.
  bool Next(std::string_view* record);
  // True where Next was false because nothing is left.
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace covet::eventlog
