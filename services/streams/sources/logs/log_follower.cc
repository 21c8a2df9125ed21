#include "services/streams/sources/logs/log_follower.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/string_map.h"
#include "common/logging/log.h"

namespace covet::streams::logs {
namespace {

constexpr int64_t kFingerprintBytes = 256;
constexpr size_t kMaxClosed = 8;
constexpr int64_t kScanMs = 1000;
// A copy may be looked at while it is being made: it is given so long to show what it is.
constexpr int64_t kUndecidedMs = 2000;
// A file that was rotated away is read on until nothing came for so long.
constexpr int64_t kQuietMs = 5000;

int64_t ModifiedNs(const struct stat& stat) {
  return static_cast<int64_t>(stat.st_mtim.tv_sec) * 1'000'000'000 + stat.st_mtim.tv_nsec;
}

bool IsCompressed(std::string_view name) {
  for (const std::string_view suffix : {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"}) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

}  // namespace

LogFollower::LogFollower(FollowOptions options, std::string_view position)
    : options_(std::move(options)), resumed_(!position.empty()) {
  const size_t slash = options_.path.rfind('/');
  directory_path_ = slash == 0 ? "/" : options_.path.substr(0, slash);
  pattern_ = options_.path.substr(slash + 1);
  is_pattern_ = pattern_.find_first_of("*?[") != std::string::npos;
  for (const auto part : absl::StrSplit(ToAbsl(position), ' ', absl::SkipEmpty())) {
    const std::string_view text(part.data(), part.size());
    if (text == "gap") {
      gap_ = true;
    } else if (text.starts_with('t')) {
      (void)absl::SimpleAtoi(ToAbsl(text.substr(1)), &floor_ns_);
    } else if (text.starts_with('c')) {
      if (const auto mark = FileMark::Parse(text.substr(1))) closed_.push_back(*mark);
    } else if (text.starts_with('r')) {
      if (const auto mark = FileMark::Parse(text.substr(1))) wanted_.push_back({*mark, true});
    } else if (const auto mark = FileMark::Parse(text)) {
      wanted_.push_back({*mark, false});
    }
  }
  inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

LogFollower::~LogFollower() {
  CloseDirectory();
  if (inotify_ >= 0) close(inotify_);
}

bool LogFollower::OpenDirectory() {
  if (directory_ < 0) {
    directory_ = open(directory_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_ < 0) return false;
  }
  if (directory_watch_ < 0 && inotify_ >= 0) {
    directory_watch_ = inotify_add_watch(inotify_, directory_path_.c_str(),
                                         IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
  }
  return true;
}

void LogFollower::CloseDirectory() {
  if (directory_ >= 0) close(directory_);
  if (directory_watch_ >= 0) inotify_rm_watch(inotify_, directory_watch_);
  directory_ = directory_watch_ = -1;
}

bool LogFollower::Matches(const std::string& name) const {
  if (!is_pattern_) return name == pattern_;
  return fnmatch(pattern_.c_str(), name.c_str(), FNM_PERIOD) == 0;
}

bool LogFollower::IsRotationOf(const std::string& name) const {
  if (IsCompressed(name)) return false;
  if (!is_pattern_) {
    return name.size() > pattern_.size() && name.starts_with(pattern_) &&
           (name[pattern_.size()] == '.' || name[pattern_.size()] == '-');
  }
  for (const char separator : {'.', '-'}) {
    if (fnmatch(absl::StrCat(pattern_, std::string(1, separator), "*").c_str(), name.c_str(),
                FNM_PERIOD) == 0) {
      return true;
    }
  }
  return false;
}

LogFollower::Followed* LogFollower::ByInode(uint64_t inode) {
  for (const auto& followed : files_) {
    if (followed->file.mark().inode == inode) return followed.get();
  }
  return nullptr;
}

const FileMark* LogFollower::ClosedByInode(uint64_t inode) const {
  for (const FileMark& mark : closed_) {
    if (mark.inode == inode) return &mark;
  }
  return nullptr;
}

void LogFollower::Refresh(int64_t now_ms) {
  alignas(inotify_event) char events[4096];
  ssize_t size;
  while (inotify_ >= 0 && (size = read(inotify_, events, sizeof events)) > 0) {
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, events + at, sizeof event);
      at += static_cast<ssize_t>(sizeof event + event.len);
      // Writes need no search; everything else may have moved files about.
      if ((event.mask & ~static_cast<uint32_t>(IN_MODIFY)) != 0) scan_due_ = true;
      if (event.wd == directory_watch_ &&
          (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
        CloseDirectory();
      }
    }
  }
  if (now_ms >= next_scan_ms_) scan_due_ = true;
  if (scan_due_) Scan(now_ms);
}

void LogFollower::Scan(int64_t now_ms) {
  scan_due_ = false;
  next_scan_ms_ = now_ms + kScanMs;
  if (!OpenDirectory()) {
    first_scan_ = false;  // Whatever is there later came later.
    return;
  }
  // A second descriptor, for the one that is read to its end is closed with the listing.
  const int listing_fd = openat(directory_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const listing = listing_fd < 0 ? nullptr : fdopendir(listing_fd);
  if (listing == nullptr) {
    if (listing_fd >= 0) close(listing_fd);
    return;
  }
  std::vector<Sibling> found;
  while (const dirent* entry = readdir(listing)) {
    const std::string name = entry->d_name;
    struct stat stat = {};
    const bool known = Matches(name) || IsRotationOf(name) || ByInode(entry->d_ino) != nullptr;
    if (!known || fstatat(directory_, name.c_str(), &stat, 0) != 0 || !S_ISREG(stat.st_mode)) {
      continue;
    }
    const std::optional<FileIdentity> identity = IdentityOf(directory_, name);
    if (!identity || identity->inode != stat.st_ino) continue;  // Gone meanwhile.
    found.push_back({name, stat.st_ino, ModifiedNs(stat), *identity});
  }
  closedir(listing);
  // Oldest first: lines come in the order in which they were written, as far as files tell.
  std::sort(found.begin(), found.end(), [](const Sibling& a, const Sibling& b) {
    return std::tie(a.modified_ns, a.name) < std::tie(b.modified_ns, b.name);
  });
  for (const auto& followed : files_) {
    const auto it = std::find_if(found.begin(), found.end(), [&](const Sibling& sibling) {
      return sibling.inode == followed->file.mark().inode;
    });
    const bool in_place = it != found.end() && Matches(it->name);
    if (in_place) followed->name = it->name;
    if (!in_place && !followed->rotated) {
      followed->rotated = true;
      followed->quiet_since_ms = now_ms;
    }
  }
  Forget(found);
  FindKnown(found, now_ms);
  FindUnseen(found, now_ms);
  first_scan_ = false;
}

void LogFollower::Forget(const std::vector<Sibling>& siblings) {
  std::set<FileIdentity> there;
  absl::flat_hash_set<uint64_t> inodes;
  for (const Sibling& sibling : siblings) {
    there.insert(sibling.identity);
    inodes.insert(sibling.inode);
  }
  std::erase_if(ignored_, [&](const FileIdentity& file) { return !there.contains(file); });
  absl::erase_if(undecided_, [&](const auto& entry) { return !inodes.contains(entry.first); });
}

// The files of an earlier run, by inode, else by content: a copy of one that was truncated.
void LogFollower::FindKnown(const std::vector<Sibling>& siblings, int64_t now_ms) {
  if (wanted_.empty()) return;
  std::vector<Wanted> wanted = std::exchange(wanted_, {});
  for (const bool by_inode : {true, false}) {
    for (auto& [mark, finished] : wanted) {
      if (mark.offset < 0) continue;  // Found.
      for (const Sibling& sibling : siblings) {
        if (by_inode ? sibling.inode != mark.inode : mark.fingerprint_bytes == 0) continue;
        if (ByInode(sibling.inode) != nullptr) continue;
        std::optional<OpenFile> file = OpenFile::Open(directory_, sibling.name);
        if (!file || !file->Continues(mark)) continue;
        FileMark own = mark;
        own.inode = file->Stat().st_ino;
        Follow(*std::move(file), sibling.name, own, !Matches(sibling.name), now_ms);
        mark.offset = -1;
        break;
      }
    }
  }
  for (const auto& [mark, finished] : wanted) {
    // Gone with what was written after it was read last, unless it was finished then.
    if (mark.offset < 0 || finished) continue;
    log::Warning("log_file_lost", {{"path", options_.path}, {"offset", mark.offset}});
    gap_ = true;
  }
}

int64_t LogFollower::ReadUpTo(const std::string& name) const {
  int64_t ns = floor_ns_;
  for (const auto& followed : files_) {
    if (name.starts_with(followed->name)) {
      ns = std::max(ns, followed->file.mark().modified_ns);
    }
  }
  // Names of closed files are forgotten, and of one path all are of one log.
  if (!is_pattern_) {
    for (const FileMark& mark : closed_) ns = std::max(ns, mark.modified_ns);
  }
  return ns;
}

void LogFollower::FindUnseen(const std::vector<Sibling>& siblings, int64_t now_ms) {
  const bool first_start = first_scan_ && !resumed_;
  if (first_start) {
    for (const Sibling& sibling : siblings) floor_ns_ = std::max(floor_ns_, sibling.modified_ns);
  }
  const std::set<FileIdentity> told = std::exchange(left_out_, {});
  for (const Sibling& sibling : siblings) {
    if (ByInode(sibling.inode) != nullptr) continue;
    const bool in_place = Matches(sibling.name);
    if (!in_place &&
        (ignored_.contains(sibling.identity) || sibling.modified_ns <= ReadUpTo(sibling.name))) {
      ignored_.insert(sibling.identity);
      continue;
    }
    std::optional<OpenFile> file = OpenFile::Open(directory_, sibling.name);
    if (!file) continue;
    const struct stat stat = file->Stat();
    if (ByInode(stat.st_ino) != nullptr) continue;
    FileMark mark;
    if (const FileMark* closed = ClosedByInode(stat.st_ino);
        closed != nullptr && file->Continues(*closed)) {
      mark = *closed;
      if (!in_place && stat.st_size == closed->offset) continue;
    } else if (!in_place && (IsCopy(*file) || MayBeCopy(*file, sibling.name, now_ms))) {
      continue;  // Truncated takes what only the copy has.
    } else if (in_place && first_start && !options_.from_beginning) {
      mark.offset = stat.st_size;
      mark.fingerprint_bytes = std::min<int64_t>(mark.offset, kFingerprintBytes);
      mark.fingerprint = file->Fingerprint(mark.fingerprint_bytes).value_or(0);
    }
    mark.inode = stat.st_ino;
    if (files_.size() >= kMaxFiles) {
      left_out_.insert(sibling.identity);
      if (!told.contains(sibling.identity)) WarnLeftOut(sibling.name);
      continue;
    }
    Follow(*std::move(file), sibling.name, mark, !in_place, now_ms);
  }
}

void LogFollower::WarnLeftOut(const std::string& name) const {
  log::Warning("log_file_ignored", {{"path", options_.path}, {"file", name}});
}

bool LogFollower::IsCopy(const OpenFile& file) const {
  return std::any_of(files_.begin(), files_.end(), [&](const auto& followed) {
    const FileMark& own = followed->file.mark();
    return own.fingerprint_bytes != 0 && file.Fingerprint(own.fingerprint_bytes) == own.fingerprint;
  });
}

bool LogFollower::MayBeCopy(const OpenFile& file, const std::string& name, int64_t now_ms) {
  const struct stat stat = file.Stat();
  const bool open = std::any_of(files_.begin(), files_.end(), [&](const auto& followed) {
    const FileMark& own = followed->file.mark();
    const bool nothing_known =
        own.fingerprint_bytes == 0 && followed->file.file().Stat().st_size > 0;
    return !followed->rotated && name.starts_with(followed->name) &&
           (nothing_known || stat.st_size < own.fingerprint_bytes);
  });
  if (!open) {
    undecided_.erase(stat.st_ino);
    return false;
  }
  const int64_t since_ms = undecided_.try_emplace(stat.st_ino, now_ms).first->second;
  scan_due_ = true;
  return now_ms - since_ms < kUndecidedMs;
}

void LogFollower::Follow(OpenFile file, const std::string& name, FileMark mark, bool rotated,
                         int64_t now_ms) {
  if (files_.size() >= kMaxFiles) return WarnLeftOut(name);
  int watch = -1;
  if (inotify_ >= 0) {
    // By descriptor: the name may have moved on, or be a link to elsewhere.
    watch = inotify_add_watch(inotify_, absl::StrCat("/proc/self/fd/", file.fd()).c_str(),
                              IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF);
  }
  auto followed = std::make_unique<Followed>(Followed{
      .file = FollowedFile(std::move(file), mark, options_.max_line_bytes),
      .name = name,
      .rotated = rotated,
      .quiet_since_ms = now_ms,
      .watch = watch,
  });
  // Rotated files go before those in place.
  auto at = files_.end();
  if (rotated) {
    at = std::find_if(files_.begin(), files_.end(),
                      [](const auto& other) { return !other->rotated; });
  }
  files_.insert(at, std::move(followed));
}

bool LogFollower::ReadLines(int64_t now_ms, size_t max_bytes, const LineSink& line) {
  std::stable_partition(files_.begin(), files_.end(),
                        [](const auto& followed) { return followed->rotated; });
  size_t left = max_bytes;
  for (size_t i = 0; i < files_.size();) {
    Followed& followed = *files_[i];
    const auto named = [&](std::string_view text, bool truncated) {
      line(text, truncated, is_pattern_ ? followed.name : std::string_view());
    };
    switch (ReadOn(followed, now_ms, &left, named)) {
      case Read::kEnough:
        return true;
      case Read::kTruncated:
        // A copy may have come before it.
        i = 0;
        continue;
      case Read::kEnd:
        break;
    }
    if (followed.rotated && now_ms - followed.quiet_since_ms >= kQuietMs) {
      followed.file.Finish(named);
      Close(i);
    } else {
      ++i;
    }
  }
  return false;
}

LogFollower::Read LogFollower::ReadOn(Followed& followed, int64_t now_ms, size_t* left,
                                      const FollowedFile::LineSink& line) {
  while (*left != 0) {
    const int64_t before = followed.file.read_to();
    switch (followed.file.ReadChunk(line)) {
      case FollowedFile::ReadResult::kEnd:
        followed.at_end = true;
        return Read::kEnd;
      case FollowedFile::ReadResult::kMore:
        followed.at_end = false;
        followed.quiet_since_ms = now_ms;
        // What was read, not the lines: a line may be as long as the file, a hole of it for one.
        *left -= std::min(*left, static_cast<size_t>(followed.file.read_to() - before));
        break;
      case FollowedFile::ReadResult::kTruncated:
        Truncated(followed, now_ms, line);
        return Read::kTruncated;
    }
  }
  return Read::kEnough;
}

// Copied and truncated, perhaps after more was written: the copy beside it has that.
void LogFollower::Truncated(Followed& followed, int64_t now_ms,
                            const FollowedFile::LineSink& line) {
  const FileMark before = followed.file.mark();
  std::vector<std::string> copies;
  DIR* const listing = before.fingerprint_bytes == 0 ? nullptr : opendir(directory_path_.c_str());
  while (const dirent* entry = listing == nullptr ? nullptr : readdir(listing)) {
    if (IsRotationOf(entry->d_name) && ByInode(entry->d_ino) == nullptr) {
      copies.emplace_back(entry->d_name);
    }
  }
  if (listing != nullptr) closedir(listing);
  bool found = false;
  for (const std::string& name : copies) {
    std::optional<OpenFile> copy = OpenFile::Open(directory_, name);
    if (!copy || copy->Fingerprint(before.fingerprint_bytes) != before.fingerprint) continue;
    FileMark mark = before;
    mark.inode = copy->Stat().st_ino;
    Ignore(*copy);
    if (found || !copy->Continues(before)) continue;
    found = true;
    Follow(*std::move(copy), followed.name, mark, /*rotated=*/true, now_ms);
  }
  // Where there is a copy it has the beginning of the last line too.
  followed.file.Restart(found ? FollowedFile::LineSink([](std::string_view, bool) {}) : line);
}

void LogFollower::Close(size_t index) {
  Followed& followed = *files_[index];
  if (followed.watch >= 0) inotify_rm_watch(inotify_, followed.watch);
  closed_.push_back(followed.file.mark());
  if (closed_.size() > kMaxClosed) closed_.erase(closed_.begin());
  Ignore(followed.file.file());
  files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(index));
}

void LogFollower::Ignore(const OpenFile& file) {
  if (const auto identity = IdentityOf(file.fd(), "")) ignored_.insert(*identity);
}

int64_t LogFollower::UnreadBytes() const {
  int64_t bytes = 0;
  for (const auto& followed : files_) {
    const FollowedFile& file = followed->file;
    bytes += std::max<int64_t>(0, file.file().Stat().st_size - file.mark().offset);
  }
  return bytes;
}

std::string LogFollower::Position() const {
  std::string text;
  const auto add = [&text](std::string_view part) {
    if (!text.empty()) text.push_back(' ');
    text.append(part);
  };
  if (gap_) add("gap");
  for (const auto& followed : files_) {
    const bool finished = followed->rotated && followed->at_end;
    add((finished ? "r" : "") + followed->file.mark().Text());
  }
  for (const auto& [mark, finished] : wanted_) add((finished ? "r" : "") + mark.Text());
  for (const FileMark& mark : closed_) add("c" + mark.Text());
  // Never empty: nothing to follow so far is a position too.
  add(absl::StrCat("t", floor_ns_));
  return text;
}

}  // namespace covet::streams::logs
