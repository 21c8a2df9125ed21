#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/streams/sources/logs/followed_file.h"

namespace covet::streams::logs {

// Of a pattern, at a time.
inline constexpr size_t kMaxFiles = 32;

struct FollowOptions {
  // Absolute; the last part may hold `*` and `?`.
  std::string path;
  // At the first start.
  bool from_beginning = false;
  size_t max_line_bytes = 32 << 10;
};

// Follows the files that a path names, in one directory, as they grow, are rotated, truncated, come
// and go.
//
// Files are known by inode and by their first bytes, so that the position finds them again under
// other names. A file that was renamed is read to its end, and on for a few seconds; what was
// written while nobody looked is read from the copies that rotation left beside it (`<name>.…`,
// `<name>-…`, not compressed), oldest first. Lines lie lost where such a file is gone, which `gap`
// tells. Lines that were written between a copy and the truncation after it (copytruncate) are lost
// without a trace.
//
// Not thread-safe. Nothing blocks but disk reads.
class LogFollower {
 public:
  using LineSink =
      std::function<void(std::string_view line, bool truncated, std::string_view file)>;

  // `position` as Position gave it, or empty.
  LogFollower(FollowOptions options, std::string_view position);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  // Readable when something may have happened. None (-1) if inotify is not to be had; then only
  // time tells.
  int inotify_fd() const { return inotify_; }
  // Takes what inotify has to say and looks for files that came and went; `now_ms` is steady. To be
  // called when the descriptor is readable, and once a second, which finds what inotify does not
  // see.
  void Refresh(int64_t now_ms);
  // Reads about `max_bytes` at most and hands out the lines that end in them. Whether there is
  // more.
  bool ReadLines(int64_t now_ms, size_t max_bytes, const LineSink& line);

  // Behind everything handed out.
  std::string Position() const;
  // Lines before the next one are lost; until GapTold.
  bool gap() const { return gap_; }
  void GapTold() { gap_ = false; }
  // What the open files hold behind what was handed out.
  int64_t UnreadBytes() const;
  // Files that are open.
  size_t files() const { return files_.size(); }
  // Files that are not followed because too many are.
  size_t left_out() const { return left_out_.size(); }
  // Whether the directory can be read.
  bool directory_found() const { return directory_ >= 0; }

 private:
  struct Followed {
    FollowedFile file;
    std::string name;
    bool rotated = false;        // No longer where the path leads.
    bool at_end = false;         // When it was read last.
    int64_t quiet_since_ms = 0;  // When it was last found to have grown, once rotated.
    int watch = -1;
  };
  struct Wanted {
    FileMark mark;
    bool finished = false;  // It had been rotated away and read to its end.
  };
  struct Sibling {
    std::string name;
    uint64_t inode;
    int64_t modified_ns;
    FileIdentity identity;
  };

  bool OpenDirectory();
  void CloseDirectory();
  bool Matches(const std::string& name) const;
  // Whether rotation would call a file of this path so.
  bool IsRotationOf(const std::string& name) const;
  void Scan(int64_t now_ms);
  void FindKnown(const std::vector<Sibling>& siblings, int64_t now_ms);
  void FindUnseen(const std::vector<Sibling>& siblings, int64_t now_ms);
  void Follow(OpenFile file, const std::string& name, FileMark mark, bool rotated, int64_t now_ms);
  Followed* ByInode(uint64_t inode);
  const FileMark* ClosedByInode(uint64_t inode) const;
  // When what was read of the log that `name` is a rotation of was written last.
  int64_t ReadUpTo(const std::string& name) const;
  // Whether it has the content of a file that is followed.
  bool IsCopy(const OpenFile& file) const;
  // Whether that cannot be told yet, for too little of it or of the file is there.
  bool MayBeCopy(const OpenFile& file, const std::string& name, int64_t now_ms);
  enum class Read : uint8_t { kEnd, kEnough, kTruncated };
  Read ReadOn(Followed& followed, int64_t now_ms, size_t* left, const FollowedFile::LineSink& line);
  void Truncated(Followed& followed, int64_t now_ms, const FollowedFile::LineSink& line);
  void Close(size_t index);
  void Ignore(const OpenFile& file);
  void WarnLeftOut(const std::string& name) const;
  // Forgets files that are gone.
  void Forget(const std::vector<Sibling>& siblings);

  const FollowOptions options_;
  std::string directory_path_;
  std::string pattern_;
  bool is_pattern_ = false;
  int inotify_ = -1;
  int directory_ = -1;
  int directory_watch_ = -1;
  bool first_scan_ = true;
  bool resumed_ = false;  // There was a position.
  bool scan_due_ = true;
  bool gap_ = false;
  int64_t next_scan_ms_ = 0;
  int64_t floor_ns_ = 0;  // Rotations that are not younger were there before the first start.
  // Places of an earlier run, until their files are found.
  std::vector<Wanted> wanted_;
  std::vector<std::unique_ptr<Followed>> files_;  // Rotated ones first, in the order of their age.
  std::vector<FileMark> closed_;                  // The newest last.
  // Files beside ours that are not read, as long as they are there.
  std::set<FileIdentity> ignored_;
  // Those for which there was no place in the last scan.
  std::set<FileIdentity> left_out_;
  // Since when (ms) it has been unknown what they are, by inode.
  absl::flat_hash_map<uint64_t, int64_t> undecided_;
};

}  // namespace covet::streams::logs
