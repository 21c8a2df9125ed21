#include "services/files/domain/options.h"

#include <algorithm>

namespace covet::files {
namespace {

constexpr int64_t kMinWindow = 2;
constexpr int64_t kMaxWindow = 64;

// 0 is no bound, so the greatest there is.
int64_t Greater(int64_t a, int64_t b) { return a == 0 || b == 0 ? 0 : std::max(a, b); }

void Widen(const FileLimits& more, FileLimits* limits) {
  limits->max_file_bytes = Greater(limits->max_file_bytes, more.max_file_bytes);
  limits->max_files = Greater(limits->max_files, more.max_files);
  limits->max_total_bytes = Greater(limits->max_total_bytes, more.max_total_bytes);
  limits->max_uploads = Greater(limits->max_uploads, more.max_uploads);
  if (limits->types.empty() || more.types.empty()) {
    limits->types.clear();
  } else {
    limits->types.insert(limits->types.end(), more.types.begin(), more.types.end());
  }
}

}  // namespace

FileLimits FilesOptions::LimitsOf(const common::v1::Identity& user) const {
  FileLimits limits;
  bool found = false;
  for (const std::string& role : user.roles()) {
    const auto it = role_limits.find(role);
    if (it == role_limits.end()) continue;
    if (found) {
      Widen(it->second, &limits);
    } else {
      limits = it->second;
    }
    found = true;
  }
  return found ? limits : default_limits;
}

int32_t FilesOptions::WindowOf(int64_t chunk_size) const {
  return static_cast<int32_t>(std::clamp(window_bytes / chunk_size, kMinWindow, kMaxWindow));
}

}  // namespace covet::files
