#pragma once

#include <functional>
#include <string>

#include "services/files/domain/records.h"

namespace covet::files {

// What processing a file has come to.
struct ProcessingResult {
  bool failed = false;
  std::string mimetype;  // As found out; empty if nothing was.
  std::string details;   // JSON text of an object: what was found out, or `reason` of the failure.
};

// What happens to a file between its upload and `completed`.
class Processing {
 public:
  virtual ~Processing() = default;
  // `done` runs once, on the executor that it was made with. Files are taken in the order of the
  // calls.
  virtual void Process(const FileRecord& file, std::function<void(ProcessingResult)> done) = 0;
};

}  // namespace covet::files
