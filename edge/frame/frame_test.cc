#include "edge/frame/frame.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <thread>
#include <vector>

#include "edge/frame/frame_header.h"

namespace covet::edge {
namespace {

struct Parsed {
  bool fin = false;
  bool rsv1 = false;
  int opcode = 0;
  bool masked = false;
  int length_bytes = 0;
  std::string payload;
};

// A reader of its own, after RFC 6455 section 5.2, of exactly one frame.
Parsed Parse(std::string_view wire) {
  Parsed parsed;
  EXPECT_GE(wire.size(), 2u);
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(wire[i]); };
  parsed.fin = byte(0) & 0x80;
  parsed.rsv1 = byte(0) & 0x40;
  parsed.opcode = byte(0) & 0x0f;
  parsed.masked = byte(1) & 0x80;
  uint64_t length = byte(1) & 0x7f;
  parsed.length_bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (parsed.length_bytes > 0) {
    length = 0;
    for (int i = 0; i < parsed.length_bytes; ++i) length = length << 8 | byte(2 + i);
  }
  const size_t header = 2 + parsed.length_bytes;
  EXPECT_EQ(wire.size(), header + length);
  parsed.payload = wire.substr(header);
  return parsed;
}

std::string Inflate(std::string payload) {
  payload.append("\x00\x00\xff\xff", 4);
  z_stream stream = {};
  EXPECT_EQ(inflateInit2(&stream, -15), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(payload.data());
  stream.avail_in = static_cast<uInt>(payload.size());
  std::string out;
  char buffer[4096];
  do {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof(buffer);
    const int result = inflate(&stream, Z_SYNC_FLUSH);
    if (result != Z_OK && result != Z_BUF_ERROR) {
      ADD_FAILURE() << "inflate: " << result;
      break;
    }
    out.append(buffer, sizeof(buffer) - stream.avail_out);
  } while (stream.avail_out == 0);
  EXPECT_EQ(stream.avail_in, 0u);
  inflateEnd(&stream);
  return out;
}

// What a client reads from one frame.
std::string Read(std::string_view wire) {
  Parsed parsed = Parse(wire);
  return parsed.rsv1 ? Inflate(parsed.payload) : parsed.payload;
}

std::string Compressible(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += "{\"sequence\":" + std::to_string(i) + "},";
  text.resize(size);
  return text;
}

std::string Incompressible(size_t size) {
  std::string bytes;
  uint64_t state = 0x9e3779b97f4a7c15;
  while (bytes.size() < size) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    bytes.push_back(static_cast<char>(state));
  }
  return bytes;
}

TEST(FrameTest, UsesTheShortestLengthOfEachClass) {
  const struct {
    size_t size;
    int length_bytes;
  } kCases[] = {{0, 0}, {1, 0}, {125, 0}, {126, 2}, {127, 2}, {65535, 2}, {65536, 8}, {1 << 20, 8}};
  for (const auto& c : kCases) {
    const std::string text = Compressible(c.size);
    const FramePtr frame = Frame::Text(text);
    const Parsed parsed = Parse(frame->wire());
    EXPECT_TRUE(parsed.fin);
    EXPECT_FALSE(parsed.rsv1);
    EXPECT_FALSE(parsed.masked);
    EXPECT_EQ(parsed.opcode, kOpcodeText);
    EXPECT_EQ(parsed.length_bytes, c.length_bytes) << c.size;
    EXPECT_EQ(parsed.payload, text);
    EXPECT_EQ(frame->text(), text);
    EXPECT_EQ(frame->wire().size(), FrameHeaderSize(c.size) + c.size);
  }
}

TEST(FrameTest, BinaryHasItsOpcode) {
  EXPECT_EQ(Parse(Frame::Binary("abc")->wire()).opcode, kOpcodeBinary);
  EXPECT_EQ(Parse(Frame::Binary(Compressible(5000))->deflated_wire()).opcode, kOpcodeBinary);
}

TEST(FrameTest, DeflatedFrameInflatesToTheText) {
  for (size_t size : {Frame::kDeflateThreshold, size_t{5000}, size_t{65536}, size_t{1} << 20}) {
    const std::string text = Compressible(size);
    const FramePtr frame = Frame::Text(text);
    const Parsed parsed = Parse(frame->deflated_wire());
    EXPECT_TRUE(parsed.rsv1);
    EXPECT_EQ(parsed.opcode, kOpcodeText);
    EXPECT_LT(parsed.payload.size(), size);
    EXPECT_EQ(Inflate(parsed.payload), text);
  }
}

TEST(FrameTest, IsSentPlainWhereDeflatingGainsNothing) {
  const FramePtr small = Frame::Text(Compressible(Frame::kDeflateThreshold - 1), 10);
  EXPECT_EQ(small->deflated_wire(), small->wire());
  const FramePtr random = Frame::Text(Incompressible(4096), 10);
  EXPECT_EQ(random->deflated_wire(), random->wire());
  for (const FramePtr& frame : {small, random}) {
    std::string spliced;
    frame->AppendSpliced("xyz", /*deflate=*/true, &spliced);
    EXPECT_FALSE(Parse(spliced).rsv1);
    std::string expected(frame->text());
    EXPECT_EQ(Parse(spliced).payload, expected.insert(10, "xyz"));
  }
}

TEST(FrameTest, SplicesAtThePositionInEveryLengthClass) {
  const std::string insert = "\"dropped\":3,";
  for (size_t with_insert : {125, 126, 65535, 65536, 70000}) {
    const std::string text = Compressible(with_insert - insert.size());
    for (size_t splice : {size_t{0}, size_t{1}, size_t{40}, text.size()}) {
      const FramePtr frame = Frame::Text(text, splice);
      EXPECT_TRUE(frame->can_splice());
      EXPECT_EQ(Parse(frame->wire()).payload, text);
      std::string expected = text;
      expected.insert(splice, insert);
      for (bool deflate : {false, true}) {
        std::string spliced = "before";
        frame->AppendSpliced(insert, deflate, &spliced);
        EXPECT_EQ(spliced.substr(0, 6), "before");
        EXPECT_EQ(Read(std::string_view(spliced).substr(6)), expected)
            << with_insert << " at " << splice << " deflate " << deflate;
        std::string pieces;
        frame->AppendSplicedHead(insert, deflate, &pieces);
        pieces.append(frame->spliced_tail(deflate));
        EXPECT_EQ("before" + pieces, spliced);
      }
    }
  }
}

TEST(FrameTest, SplicedDeflatedFrameSharesTheDeflatedTail) {
  const FramePtr frame = Frame::Text(Compressible(20000), 50);
  std::string spliced;
  frame->AppendSpliced("\"a\":1,", /*deflate=*/true, &spliced);
  EXPECT_TRUE(Parse(spliced).rsv1);
  EXPECT_LT(spliced.size(), 10000u);
  EXPECT_EQ(frame->spliced_tail(true).data(), frame->spliced_tail(true).data());
}

TEST(FrameTest, ALongPrefixGoesAsSeveralStoredBlocks) {
  for (size_t prefix : {65534, 65535, 65536, 131070, 200000}) {
    std::string text = Compressible(prefix + 100000);
    const FramePtr frame = Frame::Text(text, prefix);
    std::string spliced;
    frame->AppendSpliced("X", /*deflate=*/true, &spliced);
    EXPECT_TRUE(Parse(spliced).rsv1);
    EXPECT_EQ(Read(spliced), text.insert(prefix, "X"));
  }
}

TEST(FrameTest, AnEmptyInsertLeavesTheText) {
  const std::string text = Compressible(3000);
  for (size_t splice : {0, 20}) {
    std::string spliced;
    Frame::Text(text, splice)->AppendSpliced("", /*deflate=*/true, &spliced);
    EXPECT_EQ(Read(spliced), text);
  }
}

TEST(FrameTest, DeflatesOnceForManyThreads) {
  const std::string text = Compressible(30000);
  const FramePtr frame = Frame::Text(text, 30);
  std::vector<std::string_view> seen(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] { seen[i] = frame->deflated_wire(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::string_view wire : seen) EXPECT_EQ(wire.data(), seen[0].data());
  EXPECT_EQ(Read(seen[0]), text);
}

TEST(FrameHeaderTest, PingKeepsItsPayloadWithinTheLimit) {
  std::string ping;
  AppendPing("n17", &ping);
  EXPECT_EQ(ping, std::string("\x89\x03n17"));
  ping.clear();
  AppendPing(std::string(200, 'p'), &ping);
  EXPECT_EQ(Parse(ping).payload, std::string(125, 'p'));
}

TEST(FrameHeaderTest, CloseHoldsCodeAndReason) {
  std::string close;
  AppendClose(4408, "bye", &close);
  const Parsed parsed = Parse(close);
  EXPECT_EQ(parsed.opcode, kOpcodeClose);
  EXPECT_EQ(parsed.payload, std::string("\x11\x38") + "bye");
}

TEST(FrameHeaderTest, ALongCloseReasonIsCutBetweenCharacters) {
  std::string reason(122, 'a');
  reason += "\xc3\xa4\xc3\xa4";
  std::string close;
  AppendClose(1001, reason, &close);
  EXPECT_EQ(Parse(close).payload.substr(2), std::string(122, 'a'));
}

}  // namespace
}  // namespace covet::edge
