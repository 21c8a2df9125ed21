#include "edge/transport/deflated_frames.h"

#include <gtest/gtest.h>

#include <string>

#include "edge/transport/testing/raw_client.h"

namespace covet::edge {
namespace {

// The frames as the websocket layer sees them, scanned in pieces of `step` bytes.
std::string Scanned(DeflatedFrames& frames, std::string bytes, size_t step) {
  for (size_t i = 0; i < bytes.size(); i += step) {
    frames.Scan(bytes.data() + i, std::min(step, bytes.size() - i));
  }
  return bytes;
}

std::string Masked(uint8_t opcode, size_t size, bool fin = true, bool rsv1 = false) {
  return RawClient::MaskedFrame(opcode, std::string(size, 'x'), fin, rsv1);
}

TEST(DeflatedFramesTest, CompressedMessagesBecomePlainBinaryOnes) {
  for (const size_t step : {1, 2, 3, 7, 100'000}) {
    for (const size_t size : {0, 1, 125, 126, 65'535, 65'536}) {
      DeflatedFrames frames;
      const std::string sent = Masked(1, size, true, true) + Masked(2, size, true, true) +
                               Masked(1, size) + Masked(2, size);
      const std::string seen = Scanned(frames, sent, step);
      ASSERT_EQ(seen.size(), sent.size());
      const size_t frame = sent.size() / 4;
      EXPECT_EQ(static_cast<uint8_t>(seen[0]), 0x82);
      EXPECT_EQ(static_cast<uint8_t>(seen[frame]), 0x82);
      EXPECT_EQ(static_cast<uint8_t>(seen[2 * frame]), 0x81);
      EXPECT_EQ(static_cast<uint8_t>(seen[3 * frame]), 0x82);
      // Nothing else was touched.
      EXPECT_EQ(seen.substr(1, frame - 1), sent.substr(1, frame - 1));
      EXPECT_EQ(seen.substr(2 * frame), sent.substr(2 * frame));
      for (const bool compressed : {true, false}) {
        for (const bool text : {true, false}) {
          const DeflatedFrames::Message message = frames.Take();
          EXPECT_EQ(message.compressed, compressed);
          EXPECT_EQ(message.text, text);
        }
      }
    }
  }
}

TEST(DeflatedFramesTest, FragmentsAreOneMessage) {
  DeflatedFrames frames;
  const std::string sent = Masked(1, 5, false, true) + Masked(9, 3) + Masked(0, 5, false) +
                           Masked(0, 5, true) + Masked(1, 5);
  const std::string seen = Scanned(frames, sent, 4);
  EXPECT_EQ(static_cast<uint8_t>(seen[0]), 0x02);
  EXPECT_EQ(seen.substr(1), sent.substr(1));
  EXPECT_TRUE(frames.Take().compressed);
  EXPECT_FALSE(frames.Take().compressed);
}

TEST(DeflatedFramesTest, WhatBreaksTheProtocolIsLeftForTheWebsocketLayer) {
  DeflatedFrames frames;
  // Compressed control and continuation frames, reserved opcodes.
  const std::string sent = Masked(9, 3, true, true) + Masked(0, 3, true, true) +
                           Masked(3, 3, true, true) + Masked(8, 2, true, true);
  EXPECT_EQ(Scanned(frames, sent, 5), sent);
}

}  // namespace
}  // namespace covet::edge
