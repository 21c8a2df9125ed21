#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "services/streams/sources/logs/line_splitter.h"

namespace covet::streams::logs {

// By what a file is known again after a restart, whatever its name is then.
struct FileMark {
  uint64_t inode = 0;
  int64_t offset = 0;  // Everything before it was handed out.
  // Of the file's first `fingerprint_bytes` bytes, all of them before `offset`.
  int64_t fingerprint_bytes = 0;
  uint64_t fingerprint = 0;
  int64_t modified_ns = 0;  // The file's time when it was read last.

  std::string Text() const;
  static std::optional<FileMark> Parse(std::string_view text);
};

// What no other file has: inodes are used again. Without `born_ns` where the file system does not
// tell it.
struct FileIdentity {
  uint64_t inode = 0;
  int64_t born_ns = 0;
  // clang-tidy 14 sees a null pointer in it.
  friend auto operator<=>(const FileIdentity&,
                          const FileIdentity&) = default;  // NOLINT(modernize-use-nullptr)
};
// None if there is no such file. `directory` is a descriptor; the file itself if `name` is empty.
std::optional<FileIdentity> IdentityOf(int directory, const std::string& name);

// An open regular file; closed with it.
class OpenFile {
 public:
  // None if it cannot be opened or is no regular file. `directory` is a descriptor.
  static std::optional<OpenFile> Open(int directory, const std::string& name);
  OpenFile(OpenFile&& other) noexcept;
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile();

  int fd() const { return fd_; }
  // As it is now.
  struct stat Stat() const;
  // Whether it begins with the content that `mark` was made of, and goes on at least to its offset.
  bool Continues(const FileMark& mark) const;
  // Of the first `bytes`; none if there are not as many.
  std::optional<uint64_t> Fingerprint(int64_t bytes) const;

 private:
  explicit OpenFile(int fd) : fd_(fd) {}
  int fd_;
};

// A file that is read as it grows. Not thread-safe.
class FollowedFile {
 public:
  using LineSink = std::function<void(std::string_view line, bool truncated)>;

  // Goes on at `mark.offset`.
  FollowedFile(OpenFile file, FileMark mark, size_t max_line_bytes)
      : file_(std::move(file)), mark_(mark), lines_(max_line_bytes), read_to_(mark.offset) {}

  enum class ReadResult : uint8_t { kMore, kEnd, kTruncated };
  // Hands out the lines of the next 64 KiB. kTruncated: the file was emptied or written anew since
  // the last call; nothing was read, and Restart is to be called.
  ReadResult ReadChunk(const LineSink& line);
  // Begins again at the file's beginning, after handing out what has no end.
  void Restart(const LineSink& line);
  // Hands out what has no end, for it will have none.
  void Finish(const LineSink& line);

  const FileMark& mark() const { return mark_; }
  const OpenFile& file() const { return file_; }
  // How far it was read: behind the mark, by what has no end yet.
  int64_t read_to() const { return read_to_; }

 private:
  bool WasTruncated(const struct stat& now) const;
  void Advance();

  OpenFile file_;
  FileMark mark_;
  LineSplitter lines_;
  int64_t read_to_;
};

}  // namespace covet::streams::logs
