#include "services/streams/domain/record_buffer.h"

#include "common/errors/error.h"
#include "common/eventlog/record_codec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/streams/domain/stored_record.h"

namespace covet::streams {
namespace {

using testing::ElementsAre;

constexpr int64_t kNow = 1'757'505'600'123;  // 2025-09-10T12:00:00.123Z

std::vector<std::string> Texts(std::string_view blob) {
  std::vector<std::string> texts;
  eventlog::RecordCursor cursor(blob);
  std::string_view bytes;
  while (cursor.Next(&bytes)) {
    StoredRecord record;
    EXPECT_TRUE(ParseStored(bytes, &record));
    texts.emplace_back(record.json);
  }
  return texts;
}

std::vector<StoredRecord> Records(std::string_view blob) {
  std::vector<StoredRecord> records;
  eventlog::RecordCursor cursor(blob);
  std::string_view bytes;
  while (cursor.Next(&bytes)) EXPECT_TRUE(ParseStored(bytes, &records.emplace_back()));
  return records;
}

std::string One(std::string_view json, const RecordFields& fields = {}) {
  RecordBuffer buffer(kNow);
  EXPECT_TRUE(buffer.Add(json, fields).ok());
  return Texts(std::move(buffer).Encode(false)).at(0);
}

TEST(RecordBufferTest, WritesOnlyWhatIsMissing) {
  const std::string_view tags[] = {"performance", "a\"b"};
  const RecordFields all{
      .timestamp_ms = 0, .severity = v1::SEVERITY_WARNING, .tags = tags, .key = "k"};
  EXPECT_EQ(One("{}"), R"({"timestamp":"2025-09-10T12:00:00.123Z"})");
  EXPECT_EQ(One(R"({"a":1})", all),
            R"({"a":1,"timestamp":"1970-01-01T00:00:00.000Z","severity":"warning",)"
            R"("tags":["performance","a\"b"],"key":"k"})");
  constexpr std::string_view kFull =
      R"({ "timestamp" : 5, "severity":null, "tags":{}, "key":[1], "n": 1.000000000000000000001 })";
  EXPECT_EQ(One(kFull, all), kFull);
}

TEST(RecordBufferTest, FindsMembersThatAreWrittenWithEscapesAndNotThoseOfInnerObjects) {
  constexpr std::string_view kEscaped = R"({"\u0074imestamp":"x"})";
  EXPECT_EQ(One(kEscaped), kEscaped);
  EXPECT_EQ(One(R"({"in":{"timestamp":"x"}} )"),
            R"({"in":{"timestamp":"x"},"timestamp":"2025-09-10T12:00:00.123Z"})");
}

TEST(RecordBufferTest, RefusesWhatIsNoRecordAndStaysAsItWas) {
  RecordBuffer buffer(kNow);
  ASSERT_TRUE(buffer.Add("{}").ok());
  for (const std::string& json : {std::string("[]"), std::string("1"), std::string(""),
                                  std::string("{\"a\":01}"), std::string("{\"a\":\"\xff\"}"),
                                  "{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}"}) {
    EXPECT_EQ(buffer.Add(json).code(), absl::StatusCode::kInvalidArgument) << json;
  }
  const std::string large = "{\"a\":\"" + std::string(kMaxRecordBytes, 'x') + "\"}";
  EXPECT_EQ(CodeOf(buffer.Add(large)), ErrorCode::kMessageTooLarge);
  const std::vector<std::string_view> many(kMaxTags + 1, "t");
  EXPECT_FALSE(buffer.Add("{}", {.tags = many}).ok());
  EXPECT_FALSE(buffer.Add("{}", {.key = std::string(kMaxKeyBytes + 1, 'k')}).ok());
  EXPECT_FALSE(buffer.Add("{}", {.ttl_ms = -1}).ok());
  EXPECT_EQ(buffer.count(), 1u);
  EXPECT_EQ(Texts(std::move(buffer).Encode(false)).size(), 1u);
}

TEST(RecordBufferTest, KeepsTimesToLiveKeysGapsAndThePosition) {
  RecordBuffer buffer(kNow);
  ASSERT_TRUE(buffer.Add("{\"timestamp\":1}", {.ttl_ms = 50}).ok());
  buffer.MarkGap();
  EXPECT_TRUE(buffer.gap_pending());
  ASSERT_TRUE(buffer.Add("{\"timestamp\":2}", {.dedup_hash = 7}).ok());
  ASSERT_TRUE(buffer.Add("{\"timestamp\":3}").ok());
  EXPECT_FALSE(buffer.gap_pending());
  EXPECT_THAT(buffer.hashes(), ElementsAre(0, 7, 0));
  buffer.SetPosition(std::string("0/1\0A", 5));
  const std::string blob = std::move(buffer).Encode(false);
  const std::vector<StoredRecord> records = Records(blob);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].expires_ms, kNow + 50);
  EXPECT_FALSE(records[0].gap);
  EXPECT_TRUE(records[1].gap);
  EXPECT_EQ(records[1].dedup_hash, 7u);
  EXPECT_EQ(records[1].position, "");
  EXPECT_EQ(records[2].position, std::string_view("0/1\0A", 5));
  EXPECT_EQ(records[2].json, "{\"timestamp\":3}");
}

TEST(RecordBufferTest, MarksTheFirstRecordForAGapBefore) {
  RecordBuffer buffer(kNow);
  ASSERT_TRUE(buffer.Add("{\"timestamp\":1}").ok());
  ASSERT_TRUE(buffer.Add("{\"timestamp\":2}").ok());
  const std::string blob = std::move(buffer).Encode(true);
  const std::vector<StoredRecord> records = Records(blob);
  EXPECT_TRUE(records.at(0).gap);
  EXPECT_FALSE(records.at(1).gap);
}

TEST(RecordBufferTest, TakesRecordsOut) {
  RecordBuffer buffer(kNow);
  for (const char* json : {"{\"timestamp\":1}", "{\"timestamp\":2}", "{\"timestamp\":3}"}) {
    ASSERT_TRUE(buffer.Add(json, {.dedup_hash = static_cast<uint64_t>(json[13])}).ok());
  }
  buffer.Remove({0, 2});
  buffer.SetPosition("p");
  EXPECT_THAT(buffer.hashes(), ElementsAre('2'));
  const std::string blob = std::move(buffer).Encode(false);
  EXPECT_THAT(Texts(blob), ElementsAre("{\"timestamp\":2}"));
  EXPECT_EQ(Records(blob)[0].position, "p");
}

TEST(StoredRecordTest, RefusesWhatItDidNotMake) {
  StoredRecord record;
  EXPECT_FALSE(ParseStored("", &record));
  EXPECT_FALSE(ParseStored("\x80{}", &record));
  EXPECT_FALSE(ParseStored(std::string_view("\x01\0\0", 3), &record));
  EXPECT_FALSE(ParseStored(std::string_view("\x08\x05\0ab", 5), &record));
}

}  // namespace
}  // namespace covet::streams
