#pragma once

#include <memory>

#include "common/server/server_stream.h"
#include "covet/files/v1/files.pb.h"
#include "services/files/domain/blob_store.h"

namespace covet::files {

using DownloadStream = server::ServerStream<v1::DownloadResponse>;

// What may wait for one reader of a download, in bytes.
inline constexpr size_t kDownloadQueueBytes = 512 << 10;

// Sends `file`, then `length` bytes of it from `offset`, as fast as the reader takes them.
void SendFile(BlobStore& blobs, const v1::File& file, int64_t offset, int64_t length,
              const std::shared_ptr<DownloadStream>& stream);

}  // namespace covet::files
