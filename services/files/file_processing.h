#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/executor.h"
#include "services/files/disk_blobs.h"
#include "services/files/domain/processing.h"
#include "services/files/type_sniffer.h"

namespace covet::files {

// One step of processing, e.g. a virus scanner. Called on one thread.
class ProcessingStep {
 public:
  virtual ~ProcessingStep() = default;
  // Looks at the file, which lies at `path`, and adds what it found: members of `details`, or the
  // mimetype. An error fails the file; its message becomes `details.message`.
  virtual absl::Status Process(const FileRecord& file, const std::string& path,
                               ProcessingResult* result) = 0;
};

// Runs steps over kept files, one file at a time, behind the finishing of uploads. The digest is
// there by then; the first step finds out the type.
class FileProcessing final : public Processing {
 public:
  // `sniffer` may be null: then nothing is found out. All must outlive this, which must outlive
  // `blobs`' threads.
  FileProcessing(DiskBlobs& blobs, Executor& executor, std::unique_ptr<TypeSniffer> sniffer);

  // Before the first file.
  void AddStep(std::unique_ptr<ProcessingStep> step) { steps_.push_back(std::move(step)); }

  void Process(const FileRecord& file, std::function<void(ProcessingResult)> done) override;

 private:
  DiskBlobs& blobs_;
  Executor& executor_;
  std::vector<std::unique_ptr<ProcessingStep>> steps_;
};

}  // namespace covet::files
