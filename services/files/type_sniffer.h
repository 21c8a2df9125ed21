#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct magic_set;

namespace covet::files {

// Finds out what a file is by its content, with libmagic and its database. Not thread-safe.
class TypeSniffer {
 public:
  // FAILED_PRECONDITION if the database cannot be loaded.
  static absl::StatusOr<std::unique_ptr<TypeSniffer>> Load();
  ~TypeSniffer();

  // The media type of the file's content, e.g. `text/plain`.
  absl::StatusOr<std::string> Sniff(const std::string& path);

 private:
  explicit TypeSniffer(magic_set* magic) : magic_(magic) {}
  magic_set* const magic_;
};

}  // namespace covet::files
