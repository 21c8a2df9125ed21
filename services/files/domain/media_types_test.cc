#include "services/files/domain/media_types.h"

#include "gtest/gtest.h"

namespace covet::files {
namespace {

TEST(MediaTypesTest, HonestUploadsFit) {
  constexpr struct {
    const char* announced;
    const char* detected;
  } kCases[] = {
      {"image/png", "image/png"},
      {"Image/JPG; q=1", "image/jpeg"},
      {"image/vnd.microsoft.icon", "image/x-icon"},
      {"image/x-canon-cr2", "image/tiff"},
      {"image/svg+xml", "text/plain"},
      {"application/octet-stream", "image/png"},
      {"text/csv", "text/plain"},
      {"text/csv", "application/csv"},
      {"text/markdown", "text/html"},
      {"text/plain", "application/json"},
      {"text/csv", "inode/x-empty"},
      {"image/png", "inode/x-empty"},
      {"application/geo+json", "application/json"},
      {"application/sql", "text/plain"},
      {"application/vnd.apache.parquet", "application/octet-stream"},
      {"application/geopackage+sqlite3", "application/vnd.sqlite3"},
      {"application/x-zip-compressed", "application/zip"},
      {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/zip"},
      {"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
       "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
      {"application/epub+zip", "application/zip"},
      {"application/vnd.oasis.opendocument.text", "application/zip"},
      {"application/zip", "application/java-archive"},
      {"application/vnd.ms-excel", "application/CDFV2"},
      {"application/vnd.ms-excel", "application/x-ole-storage"},
      {"audio/webm", "video/webm"},
      {"audio/x-m4a", "video/mp4"},
      {"font/ttf", "font/sfnt"},
  };
  for (const auto& [announced, detected] : kCases) {
    EXPECT_TRUE(TypeFits(announced, detected)) << announced << ", " << detected;
  }
}

TEST(MediaTypesTest, OtherContentDoesNot) {
  constexpr struct {
    const char* announced;
    const char* detected;
  } kCases[] = {
      {"image/png", "image/jpeg"},
      {"image/png", "text/html"},
      {"image/png", "application/octet-stream"},
      {"image/png", "application/zip"},
      {"image/jpeg", "application/x-dosexec"},
      {"image/avif", "text/plain"},
      {"application/pdf", "text/plain"},
      {"application/pdf", "application/zip"},
      {"application/pdf", "application/octet-stream"},
      {"application/zip", "text/plain"},
      {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/plain"},
      {"text/plain", "application/octet-stream"},
      {"text/plain", "application/x-dosexec"},
      {"text/csv", "image/png"},
      {"application/json", "application/x-executable"},
      {"audio/mpeg", "image/png"},
      {"font/woff2", "application/pdf"},
      {"", "image/png"},
  };
  for (const auto& [announced, detected] : kCases) {
    EXPECT_FALSE(TypeFits(announced, detected)) << announced << ", " << detected;
  }
}

}  // namespace
}  // namespace covet::files
