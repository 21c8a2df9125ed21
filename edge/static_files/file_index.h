#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/string_map.h"

namespace covet::edge {

// A directory whose files are served below a path, which begins and ends with `/`.
struct StaticDirectory {
  std::string path;
  std::string directory;
};

struct StaticFile {
  std::string_view content_type;
  std::string tag;  // The strong ETag, with its quotes.
  std::shared_ptr<const std::string> bytes;
};

// The files of some directories as they were when they were read, whole in memory, by the paths of
// their URLs. A request is only looked up here: no path of one can lead out of the directories.
// Immutable, so thread-safe.
class FileIndex {
 public:
  static constexpr int64_t kMaxBytes = 64 << 20;
  static constexpr size_t kMaxFiles = 10'000;

  FileIndex() = default;

  // Takes regular files and those of subdirectories, so far as URLs have their names as they are
  // (`[A-Za-z0-9._~-]`) and they do not begin with a dot. Symbolic links are not followed, but a
  // directory may itself be reached by one. Where two directories have a file for one path, the
  // longer path of the two counts. Blocks. INVALID_ARGUMENT for what cannot be read,
  // RESOURCE_EXHAUSTED beyond the bounds.
  static absl::StatusOr<FileIndex> Read(std::vector<StaticDirectory> directories);

  // The file at that path, which is a directory's `index.html` where it ends with `/`; null if
  // there is none.
  const StaticFile* Find(std::string_view path) const;
  // Whether `path/` has an `index.html`.
  bool IsDirectory(std::string_view path) const;
  // The `404.html` of the longest directory's path that the path is below; null if it has none.
  const StaticFile* NotFoundPage(std::string_view path) const;

 private:
  StringMap<StaticFile> files_;
  std::vector<std::string> paths_;  // Of the directories, the longest first.
};

// By the name's ending; `application/octet-stream` for those that are not known.
std::string_view ContentTypeOf(std::string_view name);

}  // namespace covet::edge
