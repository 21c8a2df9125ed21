#include "services/files/download_call.h"

#include <algorithm>
#include <utility>

#include "services/files/domain/errors.h"

namespace covet::files {
namespace {

constexpr int64_t kPieceBytes = 256 << 10;

// One read is under way at a time; the next begins when the stream has room. Kept alive by the read
// and by the stream until that is over.
class Sender final : public std::enable_shared_from_this<Sender> {
 public:
  Sender(std::shared_ptr<DownloadStream> stream, int64_t offset, int64_t length)
      : stream_(std::move(stream)), offset_(offset), left_(length) {}

  void Start(std::shared_ptr<BlobReader> reader) {
    reader_ = std::move(reader);
    Next();
  }

 private:
  void Next() {
    if (left_ == 0) return stream_->End(absl::OkStatus());
    const auto size = static_cast<size_t>(std::min(kPieceBytes, left_));
    reader_->Read(offset_, size, [self = shared_from_this()](absl::StatusOr<std::string> data) {
      self->OnRead(std::move(data));
    });
  }

  void OnRead(absl::StatusOr<std::string> data) {
    if (!data.ok()) return stream_->End(absl::DataLossError("the file cannot be read"));
    offset_ += static_cast<int64_t>(data->size());
    left_ -= static_cast<int64_t>(data->size());
    v1::DownloadResponse response;
    response.set_data(*std::move(data));
    switch (stream_->Send(std::move(response))) {
      case server::StreamSend::kQueued:
        return Next();
      case server::StreamSend::kBackpressure:
        return stream_->OnDrained([self = shared_from_this()] { self->Next(); });
      case server::StreamSend::kRefused:
        return;
    }
  }

  const std::shared_ptr<DownloadStream> stream_;
  std::shared_ptr<BlobReader> reader_;
  int64_t offset_;
  int64_t left_;
};

}  // namespace

void SendFile(BlobStore& blobs, const v1::File& file, int64_t offset, int64_t length,
              const std::shared_ptr<DownloadStream>& stream) {
  v1::DownloadResponse first;
  *first.mutable_file() = file;
  stream->Send(std::move(first));
  auto sender = std::make_shared<Sender>(stream, offset, length);
  blobs.Open(file.file_id(), [sender, stream, id = file.file_id()](
                                 absl::StatusOr<std::shared_ptr<BlobReader>> reader) {
    if (!reader.ok()) {
      // It was removed after it had been looked up, or somebody else's hand was at work.
      return stream->End(absl::IsNotFound(reader.status())
                             ? NoSuchFile(id)
                             : absl::InternalError("the file cannot be read"));
    }
    sender->Start(*std::move(reader));
  });
}

}  // namespace covet::files
