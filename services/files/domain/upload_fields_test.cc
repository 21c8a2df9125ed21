#include "services/files/domain/upload_fields.h"

#include <gtest/gtest.h>

#include <string>

#include "common/errors/error.h"
#include "services/files/domain/options.h"

namespace covet::files {
namespace {

// The field that is refused of a start with this size, chunk size and id; empty if none is.
std::string Refused(int64_t size, int64_t chunk_size, const std::string& upload_id = "u") {
  v1::StartUpload start;
  start.set_upload_id(upload_id);
  start.set_filename("data.csv");
  start.set_size(size);
  start.set_chunk_size(chunk_size);
  const FilesOptions options;
  const auto record = CheckStart(start, options.max_chunk_bytes, options.json_depth);
  return record.ok() ? "" : DetailsOf(record.status())["field"];
}

TEST(UploadFieldsTest, AChunkHasAtMostHalfAMebibyte) {
  EXPECT_EQ(Refused(1 << 20, 512 << 10), "");
  EXPECT_EQ(Refused(1 << 20, (512 << 10) + 1), "chunk_size");
  EXPECT_EQ(Refused(1 << 20, 1 << 10), "");
}

TEST(UploadFieldsTest, AFileHasAtMostAMillionChunks) {
  EXPECT_EQ(Refused(1'000'000, 1), "");
  EXPECT_EQ(Refused(1'000'001, 1), "chunk_size");
  EXPECT_EQ(Refused(10'000'000, 10), "");
  EXPECT_EQ(Refused(10'000'001, 10), "chunk_size");
}

TEST(UploadFieldsTest, AnIdHasAtMost128Characters) {
  EXPECT_EQ(Refused(1, 1, std::string(128, 'u')), "");
  EXPECT_EQ(Refused(1, 1, std::string(129, 'u')), "upload_id");
}

}  // namespace
}  // namespace covet::files
