#include "common/eventlog/record_codec.h"

#include "gtest/gtest.h"

namespace covet::eventlog {
namespace {

std::vector<std::shared_ptr<const std::string>> OfSizes(const std::vector<size_t>& sizes) {
  std::vector<std::shared_ptr<const std::string>> records;
  for (const size_t size : sizes) {
    records.push_back(
        std::make_shared<const std::string>(size, static_cast<char>('a' + size % 26)));
  }
  return records;
}

TEST(RecordCodecTest, EverySizeOfLengthComesBack) {
  const auto records = OfSizes({0, 1, 127, 128, 16383, 16384, 2'097'152, 0});
  std::string blob = "left over";
  EncodeRecords(records, &blob);
  RecordCursor cursor(blob);
  std::string_view data;
  for (const auto& record : records) {
    ASSERT_TRUE(cursor.Next(&data));
    EXPECT_EQ(data, *record);
  }
  EXPECT_FALSE(cursor.Next(&data));
}

TEST(RecordCodecTest, AnyCutIsNoticed) {
  std::string blob;
  EncodeRecords(OfSizes({200, 3}), &blob);
  for (size_t size = 0; size < blob.size(); ++size) {
    RecordCursor cursor(std::string_view(blob).substr(0, size));
    std::string_view data;
    EXPECT_FALSE(cursor.Next(&data) && cursor.Next(&data)) << size;
  }
}

TEST(RecordCodecTest, AnEndlessLengthIsNoticed) {
  RecordCursor cursor("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
  std::string_view data;
  EXPECT_FALSE(cursor.Next(&data));
}

}  // namespace
}  // namespace covet::eventlog
