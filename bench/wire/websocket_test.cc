#include "bench/wire/websocket.h"

#include <gtest/gtest.h>

#include <string>

namespace covet::bench {
namespace {

TEST(WebsocketWireTest, AcceptKeyOfTheRfcsExample) {
  EXPECT_EQ(AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

class FrameSizes : public testing::TestWithParam<size_t> {};

TEST_P(FrameSizes, ServerFrameRoundTripsAndNeedsEveryByte) {
  const std::string payload(GetParam(), 'x');
  std::string wire;
  AppendServerFrame(Opcode::kText, payload, &wire);
  FrameView frame;
  ASSERT_EQ(ParseServerFrame(wire, &frame), ParseResult::kFrame);
  EXPECT_EQ(frame.opcode, Opcode::kText);
  EXPECT_EQ(frame.payload, payload);
  EXPECT_EQ(frame.size, wire.size());
  EXPECT_EQ(ParseServerFrame(std::string_view(wire).substr(0, wire.size() - 1), &frame),
            ParseResult::kNeedMore);
  EXPECT_EQ(ParseServerFrame(std::string_view(wire).substr(0, 1), &frame), ParseResult::kNeedMore);
}

TEST_P(FrameSizes, ClientFrameRoundTrips) {
  const std::string payload(GetParam(), 'y');
  std::string wire;
  AppendClientFrame(Opcode::kPong, payload, &wire);
  FrameView frame;
  EXPECT_EQ(ParseServerFrame(wire, &frame), ParseResult::kBad);
  ASSERT_EQ(ParseClientFrame(wire.data(), wire.size(), &frame), ParseResult::kFrame);
  EXPECT_EQ(frame.opcode, Opcode::kPong);
  EXPECT_EQ(frame.payload, payload);
  EXPECT_EQ(frame.size, wire.size());
}

INSTANTIATE_TEST_SUITE_P(LengthForms, FrameSizes, testing::Values(0, 125, 126, 65535, 65536));

TEST(WebsocketWireTest, UnmasksTheRfcsExample) {
  std::string wire("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
  FrameView frame;
  ASSERT_EQ(ParseClientFrame(wire.data(), wire.size(), &frame), ParseResult::kFrame);
  EXPECT_EQ(frame.payload, "Hello");
}

TEST(WebsocketWireTest, RefusesFragmentsReservedBitsAndUnknownOpcodes) {
  FrameView frame;
  EXPECT_EQ(ParseServerFrame(std::string_view("\x01\x00", 2), &frame), ParseResult::kBad);
  EXPECT_EQ(ParseServerFrame(std::string_view("\xc1\x00", 2), &frame), ParseResult::kBad);
  EXPECT_EQ(ParseServerFrame(std::string_view("\x83\x00", 2), &frame), ParseResult::kBad);
}

}  // namespace
}  // namespace covet::bench
