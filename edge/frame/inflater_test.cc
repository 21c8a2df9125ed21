#include "edge/frame/inflater.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <string_view>

#include "edge/frame/deflater.h"

namespace covet::edge {
namespace {

using namespace std::string_view_literals;

std::string Deflated(const std::string& text) {
  std::string out;
  EXPECT_TRUE(DeflateMessage(text, &out));
  return out;
}

TEST(InflaterTest, InflatesWhatWasDeflated) {
  for (const size_t size : {100, 5'000, 1'000'000}) {
    std::string text;
    for (size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + ",";
    std::string out = "what was there before";
    EXPECT_EQ(Inflate(Deflated(text), text.size(), &out), InflateResult::kDone);
    EXPECT_EQ(out, text);
  }
}

// RFC 7692 section 7.2.3.
TEST(InflaterTest, TakesTheExamplesOfTheSpecification) {
  std::string out;
  for (const std::string_view payload : {
           "\xf2\x48\xcd\xc9\xc9\x07\x00"sv,                          // One block.
           "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"sv,          // Without compression.
           "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"sv,                      // A final block.
           "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"sv,  // Two blocks.
       }) {
    EXPECT_EQ(Inflate(payload, 100, &out), InflateResult::kDone);
    EXPECT_EQ(out, "Hello");
  }
  EXPECT_EQ(Inflate("\x00"sv, 100, &out), InflateResult::kDone);
  EXPECT_EQ(out, "");
}

TEST(InflaterTest, StopsAtTheLimit) {
  const std::string deflated = Deflated(std::string(4'000'000, 'z'));
  std::string out;
  EXPECT_EQ(Inflate(deflated, 4'000'000, &out), InflateResult::kDone);
  EXPECT_EQ(Inflate(deflated, 3'999'999, &out), InflateResult::kTooLarge);
  std::string small;
  EXPECT_EQ(Inflate(deflated, 1'000, &small), InflateResult::kTooLarge);
  EXPECT_LT(small.capacity(), 100'000u);
}

TEST(InflaterTest, RefusesWhatIsNoDeflateData) {
  std::string out;
  EXPECT_EQ(Inflate("\xff\xff\xff\xff nonsense", 1'000, &out), InflateResult::kMalformed);
  // A thread's inflater is none the worse for it.
  EXPECT_EQ(Inflate(Deflated(std::string(100, 'a')), 1'000, &out), InflateResult::kDone);
}

TEST(InflaterTest, RefusesWhatIsCutOff) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += std::to_string(i * 7919);
  const std::string whole = Deflated(text);
  std::string out;
  for (size_t size = 1; size < whole.size(); ++size) {
    const InflateResult result = Inflate(std::string_view(whole).substr(0, size), 10'000, &out);
    if (result == InflateResult::kDone) EXPECT_NE(out, text) << size;
  }
  EXPECT_EQ(Inflate(std::string_view(whole).substr(0, whole.size() / 2), 10'000, &out),
            InflateResult::kMalformed);
}

}  // namespace
}  // namespace covet::edge
