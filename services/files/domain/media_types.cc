#include "services/files/domain/media_types.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"

namespace covet::files {
namespace {

// A media type without its parameters, under one of its names.
class MediaType {
 public:
  explicit MediaType(std::string_view text) {
    text = text.substr(0, text.find(';'));
    name_ = absl::AsciiStrToLower(
        absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())));
    for (const std::string_view prefix : {"x-", "vnd."}) {
      const size_t slash = name_.find('/');
      if (slash != std::string::npos && subtype().starts_with(prefix)) {
        name_.erase(slash + 1, prefix.size());
      }
    }
    static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
        {"application/bzip", "application/bzip2"},
        {"application/microsoft.portable-executable", "application/dosexec"},
        {"application/msdownload", "application/dosexec"},
        {"application/rar-compressed", "application/rar"},
        {"application/zip-compressed", "application/zip"},
        {"image/heif", "image/heic"},
        {"image/jpg", "image/jpeg"},
        {"image/microsoft.icon", "image/icon"},
        {"image/ms-bmp", "image/bmp"},
        {"image/pjpeg", "image/jpeg"},
    };
    for (const auto& [other, name] : kNames) {
      if (name_ == other) name_ = name;
    }
  }

  std::string_view name() const { return name_; }
  std::string_view subtype() const { return name().substr(name().find('/') + 1); }
  // One of these, each with its slash.
  template <typename... Kinds>
  bool IsOf(Kinds... kinds) const {
    return (name().starts_with(kinds) || ...);
  }
  bool EndsWith(std::string_view suffix) const { return name().ends_with(suffix); }

 private:
  std::string name_;
};

template <size_t kCount>
bool IsIn(const std::array<std::string_view, kCount>& names, const MediaType& type) {
  return std::find(names.begin(), names.end(), type.name()) != names.end();
}

// What libmagic knows by its first bytes: other content is not of these types.
bool IsUnmistakable(const MediaType& type) {
  static constexpr std::array<std::string_view, 14> kNames = {"application/7z-compressed",
                                                              "application/bzip2",
                                                              "application/gzip",
                                                              "application/pdf",
                                                              "application/rar",
                                                              "application/xz",
                                                              "application/zip",
                                                              "application/zstd",
                                                              "image/bmp",
                                                              "image/gif",
                                                              "image/jpeg",
                                                              "image/png",
                                                              "image/tiff",
                                                              "image/webp"};
  return IsIn(kNames, type);
}

bool IsText(const MediaType& type) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "application/csv",    "application/javascript",  "application/json",
      "application/ndjson", "application/setupscript", "application/wine-extension-ini",
      "application/xml",    "message/rfc822"};
  return type.IsOf("text/") || type.EndsWith("+xml") || type.EndsWith("+json") ||
         IsIn(kNames, type);
}

// A zip archive, whatever is in it.
bool IsZip(const MediaType& type) {
  return type.name() == "application/zip" || type.EndsWith("+zip") ||
         type.IsOf("application/openxmlformats", "application/oasis.opendocument",
                   "application/java-archive", "application/android.package-archive");
}

// Microsoft's compound files.
bool IsCompound(const MediaType& type) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "application/cdfv2",      "application/ms-excel",      "application/ms-office",
      "application/ms-outlook", "application/ms-powerpoint", "application/msi",
      "application/msword",     "application/ole-storage"};
  return IsIn(kNames, type);
}

bool IsSound(const MediaType& type) {
  return type.IsOf("audio/", "video/") || type.name() == "application/ogg";
}

}  // namespace

bool TypeFits(std::string_view announced, std::string_view detected) {
  const MediaType as(announced);
  const MediaType found(detected);
  if (as.name() == found.name() || as.name() == "application/octet-stream" ||
      found.name() == "inode/empty" || as.EndsWith("+" + std::string(found.subtype()))) {
    return true;
  }
  if (IsZip(found)) {
    return IsZip(as) || (as.IsOf("application/", "model/") && !IsUnmistakable(as));
  }
  if (IsUnmistakable(as) || as.IsOf("application/openxmlformats")) return false;
  if (found.name() == "application/octet-stream") return !as.IsOf("text/");
  if (IsText(found)) return IsText(as) || as.IsOf("application/", "message/", "model/");
  if (IsCompound(found)) return as.IsOf("application/");
  if (IsSound(found)) return IsSound(as);
  if (found.name().find("font") != std::string_view::npos) {
    return as.name().find("font") != std::string_view::npos;
  }
  // Cameras' own formats.
  return found.name() == "image/tiff" && as.IsOf("image/");
}

}  // namespace covet::files
