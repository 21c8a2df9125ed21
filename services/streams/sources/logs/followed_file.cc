#include "services/streams/sources/logs/followed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/auth/crypto.h"
#include "common/base/string_map.h"

namespace covet::streams::logs {
namespace {

constexpr int64_t kFingerprintBytes = 256;
constexpr size_t kChunkBytes = 64 << 10;

int64_t ModifiedNs(const struct stat& stat) {
  return static_cast<int64_t>(stat.st_mtim.tv_sec) * 1'000'000'000 + stat.st_mtim.tv_nsec;
}

}  // namespace

std::string FileMark::Text() const {
  return absl::StrCat(inode, ":", offset, ":", fingerprint_bytes, ":", absl::Hex(fingerprint), ":",
                      modified_ns);
}

std::optional<FileMark> FileMark::Parse(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(text), ':');
  FileMark mark;
  if (parts.size() != 5 || !absl::SimpleAtoi(parts[0], &mark.inode) ||
      !absl::SimpleAtoi(parts[1], &mark.offset) ||
      !absl::SimpleAtoi(parts[2], &mark.fingerprint_bytes) ||
      !absl::SimpleHexAtoi(parts[3], &mark.fingerprint) ||
      !absl::SimpleAtoi(parts[4], &mark.modified_ns) || mark.offset < 0 ||
      mark.fingerprint_bytes < 0 || mark.fingerprint_bytes > kFingerprintBytes) {
    return std::nullopt;
  }
  return mark;
}

std::optional<FileIdentity> IdentityOf(int directory, const std::string& name) {
  struct statx found = {};
  const int flags = name.empty() ? AT_EMPTY_PATH : 0;
  if (statx(directory, name.c_str(), flags, STATX_INO | STATX_BTIME, &found) != 0) {
    return std::nullopt;
  }
  FileIdentity identity{found.stx_ino, 0};
  if ((found.stx_mask & STATX_BTIME) != 0) {
    identity.born_ns = found.stx_btime.tv_sec * 1'000'000'000 + found.stx_btime.tv_nsec;
  }
  return identity;
}

std::optional<OpenFile> OpenFile::Open(int directory, const std::string& name) {
  // A FIFO would block without O_NONBLOCK.
  const int fd = openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  OpenFile file(fd);
  if (!S_ISREG(file.Stat().st_mode)) return std::nullopt;
  return file;
}

OpenFile::OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

OpenFile::~OpenFile() {
  if (fd_ >= 0) close(fd_);
}

struct stat OpenFile::Stat() const {
  struct stat result = {};
  fstat(fd_, &result);
  return result;
}

std::optional<uint64_t> OpenFile::Fingerprint(int64_t bytes) const {
  std::string head(static_cast<size_t>(bytes), '\0');
  if (pread(fd_, head.data(), head.size(), 0) != bytes) return std::nullopt;
  const std::string digest = auth::Sha256(head);
  uint64_t value;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

bool OpenFile::Continues(const FileMark& mark) const {
  if (Stat().st_size < mark.offset) return false;
  return mark.fingerprint_bytes == 0 || Fingerprint(mark.fingerprint_bytes) == mark.fingerprint;
}

bool FollowedFile::WasTruncated(const struct stat& now) const {
  if (now.st_size < read_to_) return true;
  // Emptied and filled again: only where it was written to.
  return ModifiedNs(now) != mark_.modified_ns && mark_.fingerprint_bytes != 0 &&
         file_.Fingerprint(mark_.fingerprint_bytes) != mark_.fingerprint;
}

FollowedFile::ReadResult FollowedFile::ReadChunk(const LineSink& line) {
  const struct stat now = file_.Stat();
  if (WasTruncated(now)) return ReadResult::kTruncated;
  mark_.inode = now.st_ino;
  mark_.modified_ns = ModifiedNs(now);
  if (now.st_size == read_to_) return ReadResult::kEnd;
  char chunk[kChunkBytes];
  const ssize_t size = pread(file_.fd(), chunk, sizeof chunk, read_to_);
  if (size <= 0) return ReadResult::kEnd;
  read_to_ += size;
  lines_.Feed({chunk, static_cast<size_t>(size)}, line);
  Advance();
  return ReadResult::kMore;
}

// The mark follows the last line's end.
void FollowedFile::Advance() {
  mark_.offset = read_to_ - lines_.pending_bytes();
  const int64_t known = std::min(mark_.offset, kFingerprintBytes);
  if (known == mark_.fingerprint_bytes) return;
  const std::optional<uint64_t> fingerprint = file_.Fingerprint(known);
  if (!fingerprint) return;
  mark_.fingerprint_bytes = known;
  mark_.fingerprint = *fingerprint;
}

void FollowedFile::Restart(const LineSink& line) {
  lines_.Flush(line);
  read_to_ = 0;
  mark_.offset = 0;
  mark_.fingerprint_bytes = 0;
  mark_.fingerprint = 0;
}

void FollowedFile::Finish(const LineSink& line) {
  lines_.Flush(line);
  Advance();
}

}  // namespace covet::streams::logs
