#include "edge/files/file_response.h"

#include "gtest/gtest.h"

namespace covet::edge {
namespace {

using Kind = ByteRange::Kind;

FileFacts Facts() {
  return {.filename = "data.csv",
          .mimetype = "text/csv",
          .sha256 = std::string(64, 'a'),
          .size = 1000,
          .created_s = 1'757'505'600};
}

std::string Tag() { return "\"" + std::string(64, 'a') + "\""; }

std::string HeaderOf(const FileResponse& response, std::string_view name) {
  for (const auto& [header, value] : response.headers) {
    if (header == name) return value;
  }
  return "";
}

TEST(ParseRangeTest, TakesOneRange) {
  struct Case {
    const char* header;
    Kind kind;
    int64_t first, last;
  };
  for (const Case& c : {Case{"bytes=0-0", Kind::kPart, 0, 0},
                        {"bytes=0-", Kind::kPart, 0, 999},
                        {"bytes=500-2000", Kind::kPart, 500, 999},
                        {"bytes=-1", Kind::kPart, 999, 999},
                        {"bytes=-5000", Kind::kPart, 0, 999},
                        {"Bytes= 1 - 2 ", Kind::kPart, 1, 2},
                        {"bytes=0-99999999999999999999", Kind::kPart, 0, 999},
                        {"bytes=1000-", Kind::kUnsatisfiable, 0, 0},
                        {"bytes=99999999999999999999-", Kind::kUnsatisfiable, 0, 0},
                        {"bytes=-0", Kind::kUnsatisfiable, 0, 0},
                        {"bytes=0-1,5-6", Kind::kWhole, 0, 0},
                        {"bytes=5-4", Kind::kWhole, 0, 0},
                        {"bytes=-", Kind::kWhole, 0, 0},
                        {"bytes=", Kind::kWhole, 0, 0},
                        {"bytes=+1-2", Kind::kWhole, 0, 0},
                        {"bytes=a-b", Kind::kWhole, 0, 0},
                        {"lines=0-1", Kind::kWhole, 0, 0},
                        {"", Kind::kWhole, 0, 0}}) {
    const ByteRange range = ParseRange(c.header, 1000);
    EXPECT_EQ(range.kind, c.kind) << c.header;
    if (c.kind != Kind::kPart) continue;
    EXPECT_EQ(range.first, c.first) << c.header;
    EXPECT_EQ(range.last, c.last) << c.header;
  }
  EXPECT_EQ(ParseRange("bytes=0-", 0).kind, Kind::kUnsatisfiable);
  EXPECT_EQ(ParseRange("bytes=-5", 0).kind, Kind::kUnsatisfiable);
}

TEST(PlanFileResponseTest, SendsAllOfIt) {
  const FileResponse response = PlanFileResponse(Facts(), {});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.length, 1000);
  EXPECT_EQ(HeaderOf(response, "ETag"), Tag());
  EXPECT_EQ(HeaderOf(response, "Last-Modified"), "Wed, 10 Sep 2025 12:00:00 GMT");
  EXPECT_EQ(HeaderOf(response, "Content-Type"), "text/csv");
  EXPECT_EQ(HeaderOf(response, "Cache-Control"), "private");
  EXPECT_EQ(HeaderOf(response, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(HeaderOf(response, "Content-Security-Policy"), "default-src 'none'; sandbox");
  EXPECT_EQ(HeaderOf(response, "Content-Disposition"), "attachment; filename=\"data.csv\"");
}

TEST(PlanFileResponseTest, ConditionsInTheirOrder) {
  const std::string before = "Wed, 10 Sep 2025 11:59:59 GMT";
  const std::string then = "Wed, 10 Sep 2025 12:00:00 GMT";
  const auto status = [](const FileConditions& conditions) {
    return PlanFileResponse(Facts(), conditions).status;
  };
  EXPECT_EQ(status({.if_none_match = Tag()}), 304);
  EXPECT_EQ(status({.if_none_match = "\"b\", W/" + Tag()}), 304);
  EXPECT_EQ(status({.if_none_match = "*"}), 304);
  EXPECT_EQ(status({.if_none_match = "\"b\""}), 200);
  EXPECT_EQ(status({.if_none_match = "garbage"}), 200);
  EXPECT_EQ(status({.if_modified_since = then}), 304);
  EXPECT_EQ(status({.if_modified_since = before}), 200);
  EXPECT_EQ(status({.if_modified_since = "yesterday"}), 200);
  // The tag wins over the date.
  EXPECT_EQ(status({.if_none_match = "\"b\"", .if_modified_since = then}), 200);
  EXPECT_EQ(status({.if_match = Tag()}), 200);
  EXPECT_EQ(status({.if_match = "W/" + Tag()}), 412);
  EXPECT_EQ(status({.if_match = "\"b\""}), 412);
  EXPECT_EQ(status({.if_unmodified_since = before}), 412);
  EXPECT_EQ(status({.if_unmodified_since = then}), 200);
  EXPECT_EQ(status({.if_match = "\"b\"", .if_none_match = Tag()}), 412);
}

TEST(PlanFileResponseTest, RangesCountUnlessTheFileIsAnother) {
  const FileResponse part = PlanFileResponse(Facts(), {.range = "bytes=10-19"});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.offset, 10);
  EXPECT_EQ(part.length, 10);
  EXPECT_EQ(HeaderOf(part, "Content-Range"), "bytes 10-19/1000");
  const FileResponse beyond = PlanFileResponse(Facts(), {.range = "bytes=1000-"});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.length, 0);
  EXPECT_EQ(HeaderOf(beyond, "Content-Range"), "bytes */1000");
  const auto status = [](std::string if_range) {
    return PlanFileResponse(Facts(), {.range = "bytes=0-1", .if_range = std::move(if_range)})
        .status;
  };
  EXPECT_EQ(status(Tag()), 206);
  EXPECT_EQ(status("W/" + Tag()), 200);
  EXPECT_EQ(status("\"b\""), 200);
  EXPECT_EQ(status("Wed, 10 Sep 2025 12:00:00 GMT"), 206);
  EXPECT_EQ(status("Wed, 10 Sep 2025 12:00:01 GMT"), 200);
  EXPECT_EQ(PlanFileResponse(Facts(), {.head = true, .range = "bytes=0-1"}).status, 200);
}

TEST(ContentDispositionTest, NamesAreDataAndNothingElse) {
  EXPECT_EQ(ContentDisposition("Übung \"1\".pdf"),
            "attachment; filename=\"_bung _1_.pdf\"; "
            "filename*=UTF-8''%C3%9Cbung%20%221%22.pdf");
  EXPECT_EQ(ContentDisposition("a\r\nSet-Cookie: x"),
            "attachment; filename=\"a__Set-Cookie: x\"; "
            "filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x");
  EXPECT_EQ(ContentDisposition("../../etc/passwd"), "attachment; filename=\"../../etc/passwd\"");
}

TEST(HttpDateTest, OneFormOnly) {
  EXPECT_EQ(ParseHttpDate(FormatHttpDate(784'111'777)), 784'111'777);
  EXPECT_EQ(FormatHttpDate(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(ParseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), std::nullopt);
  EXPECT_EQ(ParseHttpDate(""), std::nullopt);
}

}  // namespace
}  // namespace covet::edge
