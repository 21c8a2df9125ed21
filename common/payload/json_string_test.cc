#include "common/payload/json_string.h"

#include "gtest/gtest.h"

namespace covet::payload {
namespace {

std::string Unescaped(std::string_view raw) {
  std::string out;
  AppendUnescaped(&out, raw);
  return out;
}

TEST(JsonStringTest, Unescapes) {
  EXPECT_EQ(Unescaped(""), "");
  EXPECT_EQ(Unescaped("plain ü"), "plain ü");
  EXPECT_EQ(Unescaped(R"(\"\\\/\b\f\n\r\t)"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(Unescaped(R"(a\u0041\u00e9\u20AC\ud83d\ude00z)"), "aAé€😀z");
  EXPECT_EQ(Unescaped(R"(\u0000)"), std::string(1, '\0'));
}

TEST(JsonStringTest, KeepsLoneSurrogatesApart) {
  EXPECT_EQ(Unescaped(R"(\ud83dx)"), "\xED\xA0\xBDx");
  EXPECT_EQ(Unescaped(R"(\ud83d\ud83d\ude00)"), "\xED\xA0\xBD😀");
  EXPECT_EQ(Unescaped(R"(\ude00)"), "\xED\xB8\x80");
  EXPECT_NE(Unescaped(R"(\ud83d)"), Unescaped(R"(\ud83e)"));
}

TEST(JsonStringTest, CopiesOnlyWhereSomethingIsEscaped) {
  std::string scratch = "as it was";
  EXPECT_EQ(UnescapedView("name", &scratch), "name");
  EXPECT_EQ(scratch, "as it was");
  EXPECT_EQ(UnescapedView(R"(n\u0061me)", &scratch), "name");
}

}  // namespace
}  // namespace covet::payload
