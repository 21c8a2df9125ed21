#pragma once

#include <cstdint>
#include <string>

#include "covet/files/v1/files.pb.h"

namespace covet::files {

// What is kept of one upload, from its start until it is forgotten.
struct UploadRecord {
  int64_t number = 0;  // The store's own; 0 until it has been inserted.
  std::string user_id;
  std::string upload_id;
  std::string file_id;  // Of the file that it becomes. Also names the bytes on disk.
  std::string filename;
  std::string mimetype;  // Empty to be found out.
  std::string sha256;    // Announced, lower-case hex; empty if there is none.
  std::string metadata;  // JSON text of an object, or empty.
  std::string types;     // The media types that are allowed, one pattern a line; empty for all.
  int64_t size = 0;
  int64_t chunk_size = 1;
  v1::UploadState state = v1::UPLOAD_STATE_RECEIVING;
  std::string failure;     // Why it failed: a reason in capitals.
  int64_t expires_ms = 0;  // Unix time at which it is given up.
  int64_t ended_ms = 0;    // Unix time; 0 while it goes on.

  int64_t total_chunks() const { return (size + chunk_size - 1) / chunk_size; }
  int64_t ChunkBytes(int64_t index) const {
    return index + 1 < total_chunks() ? chunk_size : size - index * chunk_size;
  }
};

// What is kept of one file.
struct FileRecord {
  std::string file_id;
  std::string upload_id;
  std::string user_id;
  std::string filename;
  std::string mimetype;
  std::string sha256;    // Lower-case hex.
  std::string metadata;  // JSON text of an object, or empty.
  std::string types;     // As UploadRecord::types.
  int64_t size = 0;
  int64_t created_ms = 0;
  v1::ProcessingStatus status = v1::PROCESSING_STATUS_QUEUED;
  std::string details;   // JSON text of an object, or empty.
  int64_t attempts = 0;  // How often its processing has begun.
};

// What a user holds.
struct Usage {
  int64_t files = 0;
  int64_t file_bytes = 0;
  int64_t uploads = 0;  // Under way.
  int64_t upload_bytes = 0;
};

}  // namespace covet::files
