#include "services/files/domain/links.h"

#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/base/string_map.h"

namespace covet::files {
namespace {

std::string Sign(const FilesOptions& options, std::string_view file_id, int64_t expires_s) {
  return auth::EncodeBase64Url(auth::HmacSha256(
      options.url_key, absl::StrCat("covet-file-v1\n", ToAbsl(file_id), "\n", expires_s)));
}

}  // namespace

std::string MakeLink(const FilesOptions& options, std::string_view file_id, int64_t expires_s) {
  return absl::StrCat(options.public_url, "/files/", ToAbsl(file_id), "?expires=", expires_s,
                      "&signature=", Sign(options, file_id, expires_s));
}

bool LinkHolds(const FilesOptions& options, std::string_view file_id, int64_t expires_s,
               std::string_view signature, int64_t now_ms) {
  // The signature first: an answer tells nothing about links that nobody gave out.
  return auth::ConstantTimeEquals(Sign(options, file_id, expires_s), signature) &&
         expires_s > now_ms / 1000;
}

}  // namespace covet::files
