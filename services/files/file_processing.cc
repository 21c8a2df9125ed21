#include "services/files/file_processing.h"

#include "common/payload/json_writer.h"

namespace covet::files {
namespace {

// Adds the type that the content shows.
class SniffType final : public ProcessingStep {
 public:
  explicit SniffType(std::unique_ptr<TypeSniffer> sniffer) : sniffer_(std::move(sniffer)) {}

  absl::Status Process(const FileRecord&, const std::string& path,
                       ProcessingResult* result) override {
    absl::StatusOr<std::string> type = sniffer_->Sniff(path);
    if (!type.ok()) return type.status();
    payload::AppendStringMember(&result->details, "detected_type", *type);
    result->mimetype = *std::move(type);
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<TypeSniffer> sniffer_;
};

}  // namespace

FileProcessing::FileProcessing(DiskBlobs& blobs, Executor& executor,
                               std::unique_ptr<TypeSniffer> sniffer)
    : blobs_(blobs), executor_(executor) {
  if (sniffer != nullptr) AddStep(std::make_unique<SniffType>(std::move(sniffer)));
}

void FileProcessing::Process(const FileRecord& file, std::function<void(ProcessingResult)> done) {
  blobs_.WithKept(file.file_id, [this, file, done = std::move(done)](const std::string& path) {
    ProcessingResult result;
    result.details = "{";
    payload::AppendStringMember(&result.details, "sha256", file.sha256);
    for (const auto& step : steps_) {
      const absl::Status status = step->Process(file, path, &result);
      if (status.ok()) continue;
      result.failed = true;
      payload::AppendStringMember(&result.details, "reason", "PROCESSING_FAILED");
      payload::AppendStringMember(
          &result.details, "message",
          std::string_view(status.message().data(), status.message().size()));
      break;
    }
    result.details.push_back('}');
    executor_.Post([done, result = std::move(result)] { done(result); });
  });
}

}  // namespace covet::files
