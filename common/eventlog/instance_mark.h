#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace covet::eventlog {

// The side file that tells whether a database is the very one this directory last ran with, or a
// copy put in its place. The database holds a random token that every start and every clean end
// renew; the mark holds the token too, and the identity of the database's file, which no copy
// shares.
struct InstanceMark {
  // Normally one. Two while the second replaces the first, so that a crash in between
  // leaves the database recognisable.
  std::vector<std::string> tokens;
  std::string file_identity;

  bool Recognises(const std::string& token, const std::string& identity) const;
};

// A mark without tokens if the file is missing or damaged.
absl::StatusOr<InstanceMark> ReadInstanceMark(const std::string& path);
// Durable once it returns.
absl::Status WriteInstanceMark(const std::string& path, const InstanceMark& mark);
// Inode and, where the file system tells, birth time of a file (statx(2)).
absl::StatusOr<std::string> FileIdentity(const std::string& path);

}  // namespace covet::eventlog
