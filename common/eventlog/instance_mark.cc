#include "common/eventlog/instance_mark.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace covet::eventlog {
namespace {

absl::Status SyncPath(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, absl::StrCat("fsync ", path));
}

}  // namespace

bool InstanceMark::Recognises(const std::string& token, const std::string& identity) const {
  return identity == file_identity &&
         std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

absl::StatusOr<InstanceMark> ReadInstanceMark(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (std::error_code error; !std::filesystem::exists(path, error)) return InstanceMark{};
    return absl::UnavailableError(absl::StrCat("cannot read ", path));
  }
  std::ostringstream text;
  text << file.rdbuf();
  // Two lines: the file's identity, the tokens.
  const std::vector<std::string> lines = absl::StrSplit(text.str(), '\n');
  if (lines.size() < 2) return InstanceMark{};
  return InstanceMark{absl::StrSplit(lines[1], ' ', absl::SkipEmpty()), lines[0]};
}

absl::Status WriteInstanceMark(const std::string& path, const InstanceMark& mark) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << mark.file_identity << '\n' << absl::StrJoin(mark.tokens, " ") << '\n';
    file.close();
    if (!file) return absl::UnavailableError(absl::StrCat("cannot write ", temporary));
  }
  if (absl::Status status = SyncPath(temporary, O_RDONLY); !status.ok()) return status;
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot replace ", path));
  }
  return SyncPath(std::filesystem::path(path).parent_path().string(), O_RDONLY | O_DIRECTORY);
}

absl::StatusOr<std::string> FileIdentity(const std::string& path) {
  struct statx info {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("statx ", path));
  }
  if ((info.stx_mask & STATX_BTIME) == 0) return absl::StrCat(info.stx_ino);
  return absl::StrCat(info.stx_ino, ":", info.stx_btime.tv_sec, ".", info.stx_btime.tv_nsec);
}

}  // namespace covet::eventlog
