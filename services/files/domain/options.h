#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/limits/gcra.h"
#include "covet/common/v1/common.pb.h"

namespace covet::files {

// What a user may upload; 0 for no bound.
struct FileLimits {
  int64_t max_file_bytes = 0;
  int64_t max_files = 0;
  int64_t max_total_bytes = 0;
  int64_t max_uploads = 0;
  std::vector<std::string> types;  // Patterns of media types; empty for all.
};

// What configuration says of files.
struct FilesOptions {
  std::string public_url = "http://localhost:8000";
  std::string url_key;  // Signs links.
  int64_t url_ttl_ms = 3'600'000;
  int64_t upload_expiry_ms = 86'400'000;
  int64_t remember_ms = 86'400'000;
  int64_t retention_ms = 0;  // 0 for ever.
  int64_t window_bytes = 1 << 20;
  int64_t max_chunk_bytes = 512 << 10;
  int json_depth = 64;
  limits::Rate uploads = limits::Rate::Of(10, absl::Hours(1));  // Of a user.
  FileLimits default_limits;
  std::map<std::string, FileLimits> role_limits;

  // The greatest of each limit among those of the user's roles.
  FileLimits LimitsOf(const common::v1::Identity& user) const;
  // Chunks of an upload that may be on their way unacknowledged.
  int32_t WindowOf(int64_t chunk_size) const;
};

}  // namespace covet::files
