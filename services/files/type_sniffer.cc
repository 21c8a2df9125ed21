#include "services/files/type_sniffer.h"

#include <magic.h>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/logging/log.h"

namespace covet::files {

absl::StatusOr<std::unique_ptr<TypeSniffer>> TypeSniffer::Load() {
  magic_t magic = magic_open(MAGIC_MIME_TYPE | MAGIC_ERROR);
  if (magic == nullptr) return absl::InternalError("libmagic does not open");
  auto sniffer = absl::WrapUnique(new TypeSniffer(magic));
  if (magic_load(magic, nullptr) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("libmagic: ", magic_error(magic)));
  }
  return sniffer;
}

TypeSniffer::~TypeSniffer() { magic_close(magic_); }

absl::StatusOr<std::string> TypeSniffer::Sniff(const std::string& path) {
  const char* type = magic_file(magic_, path.c_str());
  if (type == nullptr) {
    // What libmagic says holds the path, which is nobody's business.
    log::Warning("type_not_found", {{"error", magic_error(magic_)}});
    return absl::InternalError("the type could not be found out");
  }
  return std::string(type);
}

}  // namespace covet::files
