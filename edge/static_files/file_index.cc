#include "edge/static_files/file_index.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/base/fd.h"

namespace covet::edge {
namespace {

constexpr int kMaxDepth = 16;
constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kTagBytes = 16;

struct DirectoryCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Listing = std::unique_ptr<DIR, DirectoryCloser>;

bool IsServedName(std::string_view name) {
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '~' ||
           c == '-';
  });
}

absl::Status Unreadable(std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot read ", ToAbsl(what), ": ", std::strerror(errno)));
}

// Walks one directory by descriptors, so that nothing outside it is opened, whatever is renamed or
// linked meanwhile.
class DirectoryReader {
 public:
  DirectoryReader(StringMap<StaticFile>& files, int64_t& bytes) : files_(files), bytes_(bytes) {}

  // `path` is the URL's and ends with `/`, `name` is what errors call it.
  absl::Status Read(Fd directory, const std::string& path, const std::string& name, int depth) {
    if (depth > kMaxDepth) {
      return absl::ResourceExhaustedError(absl::StrCat(name, " is too deep a directory"));
    }
    const Listing listing(fdopendir(directory.get()));
    if (listing == nullptr) return Unreadable(name);
    directory.Release();
    while (const dirent* entry = readdir(listing.get())) {
      const std::string_view entry_name(entry->d_name);
      if (!IsServedName(entry_name)) continue;
      if (absl::Status read =
              ReadEntry(dirfd(listing.get()), entry->d_name, absl::StrCat(path, ToAbsl(entry_name)),
                        absl::StrCat(name, "/", ToAbsl(entry_name)), depth);
          !read.ok()) {
        return read;
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadEntry(int directory, const char* entry, const std::string& path,
                         const std::string& name, int depth) {
    struct stat stat = {};
    if (fstatat(directory, entry, &stat, AT_SYMLINK_NOFOLLOW) != 0) return Gone(name);
    if (!S_ISREG(stat.st_mode) && !S_ISDIR(stat.st_mode)) return absl::OkStatus();
    // It may be something else by now, which must not be waited for.
    Fd fd(openat(directory, entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd.valid()) return Gone(name);
    if (fstat(fd.get(), &stat) != 0) return Unreadable(name);
    if (S_ISDIR(stat.st_mode)) {
      return Read(std::move(fd), absl::StrCat(path, "/"), name, depth + 1);
    }
    if (!S_ISREG(stat.st_mode) || files_.contains(path)) return absl::OkStatus();
    return ReadFile(fd.get(), path, name);
  }

  // What has gone or become a link since it was listed is not there.
  static absl::Status Gone(const std::string& name) {
    return errno == ENOENT || errno == ELOOP ? absl::OkStatus() : Unreadable(name);
  }

  absl::Status ReadFile(int fd, const std::string& path, const std::string& name) {
    std::string bytes;
    for (;;) {
      const size_t size = bytes.size();
      bytes.resize(size + kReadBytes);
      const ssize_t got = ::read(fd, bytes.data() + size, kReadBytes);
      if (got < 0 && errno == EINTR) {
        bytes.resize(size);
        continue;
      }
      if (got < 0) return Unreadable(name);
      bytes.resize(size + static_cast<size_t>(got));
      if (got == 0) break;
      bytes_ += got;
      if (bytes_ > FileIndex::kMaxBytes) {
        return absl::ResourceExhaustedError(absl::StrCat("more than ", FileIndex::kMaxBytes >> 20,
                                                         " MiB of static files, with ", name));
      }
    }
    if (files_.size() >= FileIndex::kMaxFiles) {
      return absl::ResourceExhaustedError(
          absl::StrCat("more than ", FileIndex::kMaxFiles, " static files, with ", name));
    }
    bytes.shrink_to_fit();
    StaticFile file;
    file.content_type = ContentTypeOf(name);
    file.tag =
        absl::StrCat("\"", auth::EncodeBase64Url(auth::Sha256(bytes).substr(0, kTagBytes)), "\"");
    file.bytes = std::make_shared<const std::string>(std::move(bytes));
    files_.emplace(path, std::move(file));
    return absl::OkStatus();
  }

  StringMap<StaticFile>& files_;
  int64_t& bytes_;
};

}  // namespace

std::string_view ContentTypeOf(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"avif", "image/avif"},
      {"css", "text/css; charset=utf-8"},
      {"gif", "image/gif"},
      {"htm", "text/html; charset=utf-8"},
      {"html", "text/html; charset=utf-8"},
      {"ico", "image/x-icon"},
      {"jpeg", "image/jpeg"},
      {"jpg", "image/jpeg"},
      {"js", "text/javascript; charset=utf-8"},
      {"json", "application/json"},
      {"map", "application/json"},
      {"md", "text/markdown; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"mp4", "video/mp4"},
      {"pdf", "application/pdf"},
      {"png", "image/png"},
      {"svg", "image/svg+xml"},
      {"txt", "text/plain; charset=utf-8"},
      {"wasm", "application/wasm"},
      {"webm", "video/webm"},
      {"webmanifest", "application/manifest+json"},
      {"webp", "image/webp"},
      {"woff", "font/woff"},
      {"woff2", "font/woff2"},
      {"xml", "application/xml"},
  };
  const size_t dot = name.rfind('.');
  if (dot != std::string_view::npos) {
    const std::string ending = absl::AsciiStrToLower(ToAbsl(name.substr(dot + 1)));
    for (const auto& [known, type] : kTypes) {
      if (ending == known) return type;
    }
  }
  return "application/octet-stream";
}

absl::StatusOr<FileIndex> FileIndex::Read(std::vector<StaticDirectory> directories) {
  std::stable_sort(directories.begin(), directories.end(),
                   [](const StaticDirectory& a, const StaticDirectory& b) {
                     return a.path.size() > b.path.size();
                   });
  FileIndex index;
  int64_t bytes = 0;
  for (const StaticDirectory& each : directories) {
    Fd directory(open(each.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) return Unreadable(each.directory);
    DirectoryReader reader(index.files_, bytes);
    if (absl::Status read =
            reader.Read(std::move(directory), each.path, each.directory, /*depth=*/0);
        !read.ok()) {
      return read;
    }
    index.paths_.push_back(each.path);
  }
  return index;
}

const StaticFile* FileIndex::Find(std::string_view path) const {
  const auto it = path.ends_with('/') ? files_.find(absl::StrCat(ToAbsl(path), "index.html"))
                                      : files_.find(path);
  return it == files_.end() ? nullptr : &it->second;
}

bool FileIndex::IsDirectory(std::string_view path) const {
  return files_.contains(absl::StrCat(ToAbsl(path), "/index.html"));
}

const StaticFile* FileIndex::NotFoundPage(std::string_view path) const {
  for (const std::string& each : paths_) {
    if (path.starts_with(each)) return Find(absl::StrCat(each, "404.html"));
  }
  return nullptr;
}

}  // namespace covet::edge
