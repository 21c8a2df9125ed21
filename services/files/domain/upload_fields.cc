#include "services/files/domain/upload_fields.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/payload/struct_json.h"
#include "services/files/domain/errors.h"

namespace covet::files {
namespace {

constexpr size_t kMaxIdChars = 128;
constexpr size_t kMaxNameChars = 255;
constexpr size_t kMaxTypeBytes = 255;

size_t Characters(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool IsToken(std::string_view text) {
  constexpr std::string_view kMarks = "!#$&-^_.+";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           kMarks.find(c) != std::string_view::npos;
  });
}

}  // namespace

bool IsMediaType(std::string_view text) {
  if (text.size() > kMaxTypeBytes) return false;
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos || !IsToken(text.substr(0, slash))) return false;
  std::string_view rest = text.substr(slash + 1);
  bool first = true;
  while (true) {
    const size_t semicolon = rest.find(';');
    std::string_view part = rest.substr(0, semicolon);
    if (!first) {
      while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    }
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (first) {
      if (!IsToken(part)) return false;
    } else {
      const size_t equals = part.find('=');
      if (equals == std::string_view::npos || !IsToken(part.substr(0, equals)) ||
          !IsToken(part.substr(equals + 1))) {
        return false;
      }
    }
    if (semicolon == std::string_view::npos) return true;
    rest.remove_prefix(semicolon + 1);
    first = false;
  }
}

absl::StatusOr<UploadRecord> CheckStart(v1::StartUpload start, int64_t max_chunk_bytes,
                                        int json_depth) {
  UploadRecord record;
  const size_t id_chars = Characters(start.upload_id());
  if (id_chars == 0 || id_chars > kMaxIdChars) {
    return InvalidField("upload_id", "1 to 128 characters", absl::StrCat(id_chars));
  }
  const size_t name_chars = Characters(start.filename());
  if (name_chars == 0 || name_chars > kMaxNameChars || HasControl(start.filename())) {
    return InvalidField("filename", "1 to 255 characters, none of them a control character",
                        absl::StrCat(name_chars, " characters"));
  }
  if (start.size() < 0) {
    return InvalidField("size", "0 or more", absl::StrCat(start.size()));
  }
  record.chunk_size =
      start.chunk_size() == 0 ? std::min(kDefaultChunkBytes, max_chunk_bytes) : start.chunk_size();
  if (record.chunk_size < 1 || record.chunk_size > max_chunk_bytes) {
    return InvalidField("chunk_size", absl::StrCat("1 to ", max_chunk_bytes),
                        absl::StrCat(record.chunk_size));
  }
  record.size = start.size();
  // Without the sum in total_chunks(), which might overflow; chunk_size is bounded far below that.
  if (record.size > record.chunk_size * kMaxChunks) {
    return InvalidField("chunk_size",
                        absl::StrCat("so large that there are at most ", kMaxChunks, " chunks"),
                        absl::StrCat(record.chunk_size));
  }
  if (!start.mimetype().empty() && !IsMediaType(start.mimetype())) {
    return InvalidField("mimetype", "a media type, e.g. text/csv", start.mimetype());
  }
  if (!start.sha256().empty()) {
    const std::optional<std::string> digest = auth::DecodeHex(start.sha256());
    if (!digest || digest->size() != auth::kSha256Bytes) {
      return InvalidField("sha256", "64 hexadecimal digits", start.sha256());
    }
    record.sha256 = absl::AsciiStrToLower(start.sha256());
  }
  if (start.has_metadata()) {
    absl::StatusOr<std::string> json = payload::PayloadToJson(start.metadata(), json_depth);
    if (!json.ok() || json->size() > kMaxMetadataBytes || json->empty() || json->front() != '{') {
      return InvalidField("metadata", "a JSON object of at most 64 KiB", "something else");
    }
    record.metadata = *std::move(json);
  }
  record.upload_id = std::move(*start.mutable_upload_id());
  record.filename = std::move(*start.mutable_filename());
  record.mimetype = std::move(*start.mutable_mimetype());
  return record;
}

absl::Status SameStart(const UploadRecord& known, const UploadRecord& again) {
  if (known.filename != again.filename) return UploadDiffers("filename");
  if (known.size != again.size) return UploadDiffers("size");
  if (known.chunk_size != again.chunk_size) return UploadDiffers("chunk_size");
  if (known.sha256 != again.sha256) return UploadDiffers("sha256");
  return absl::OkStatus();
}

void SetTime(int64_t unix_ms, google::protobuf::Timestamp* out) {
  out->set_seconds(unix_ms / 1000);
  out->set_nanos(static_cast<int32_t>(unix_ms % 1000) * 1'000'000);
}

}  // namespace covet::files
