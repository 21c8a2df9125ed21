#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "covet/files/v1/files.pb.h"

namespace covet::common::v1 {
class Identity;
}

namespace covet::edge {

class EdgeThread;

// The end of one Upload call. Used on the edge thread that opened it.
class UploadStream {
 public:
  virtual ~UploadStream() = default;
  // Messages go in order. What waits is not bounded here: an upload's window bounds it.
  virtual void Send(files::v1::UploadRequest request) = 0;
  // Ends the call; its listener is told nothing any more.
  virtual void Cancel() = 0;
};

class UploadListener {
 public:
  virtual ~UploadListener() = default;
  virtual void OnResponse(files::v1::UploadResponse response) = 0;
  // The last call.
  virtual void OnEnd(const absl::Status& status) = 0;
};

// A download under way. Used on the edge thread that opened it.
class FileBody {
 public:
  virtual ~FileBody() = default;
  // `done` runs once, later: with bytes, with nothing where they end, or with an error. One call at
  // a time.
  virtual void Read(std::function<void(absl::StatusOr<std::string>)> done) = 0;
  // `done` is dropped.
  virtual void Cancel() = 0;
};

// Files as the edge sees them. Callbacks come on the thread given, never inside the call.
class FilesGateway {
 public:
  virtual ~FilesGateway() = default;
  // The listener is told as long as it lives.
  virtual std::shared_ptr<UploadStream> OpenUpload(EdgeThread& thread,
                                                   const common::v1::Identity& identity,
                                                   std::weak_ptr<UploadListener> listener) = 0;
  // Who holds the link, may have the file.
  virtual void GetByLink(EdgeThread& thread, const std::string& file_id,
                         const files::v1::LinkProof& link,
                         std::function<void(absl::StatusOr<files::v1::File>)> done) = 0;
  // To be opened once GetByLink has succeeded. `length` bytes, at least 1.
  virtual std::shared_ptr<FileBody> Open(EdgeThread& thread, const std::string& file_id,
                                         int64_t offset, int64_t length) = 0;
};

}  // namespace covet::edge
