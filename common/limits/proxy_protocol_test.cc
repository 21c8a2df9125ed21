#include "common/limits/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "common/base/id_generator.h"

namespace covet::limits {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string V2(int version_command, int family_transport, const std::string& body) {
  std::string out(kSignature);
  out += static_cast<char>(version_command);
  out += static_cast<char>(family_transport);
  out += static_cast<char>(body.size() >> 8);
  out += static_cast<char>(body.size() & 0xff);
  return out + body;
}

const std::string kV4Body("\xc0\x00\x02\x01\x0a\x00\x00\x01\xd4\x31\x01\xbb", 12);
const std::string kV6Body = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" +
                            std::string(16, '\xfe') + std::string("\x00\x50\x01\xbb", 4);

// What the parser says of the whole, having said "more" of every part of it and ignoring what
// follows.
ProxyHeader ParseWhole(const std::string& header) {
  for (size_t i = 0; i < header.size(); ++i) {
    EXPECT_EQ(ParseProxyHeader(std::string_view(header).substr(0, i)).state, ProxyParse::kNeedMore)
        << i;
  }
  const ProxyHeader parsed = ParseProxyHeader(header + "GET /ws HTTP/1.1\r\n");
  EXPECT_EQ(parsed.state, ProxyParse::kDone);
  EXPECT_EQ(parsed.consumed, header.size());
  return parsed;
}

std::string Source(const ProxyHeader& header) {
  return header.source ? header.source->ToString() + "|" + std::to_string(header.source_port)
                       : "none";
}

bool IsInvalid(const std::string& bytes) {
  return ParseProxyHeader(bytes).state == ProxyParse::kInvalid;
}

TEST(ProxyProtocolTest, Version1) {
  EXPECT_EQ(Source(ParseWhole("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n")), "192.0.2.1|56324");
  EXPECT_EQ(Source(ParseWhole("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n")), "2001:db8::1|0");
  EXPECT_EQ(Source(ParseWhole("PROXY UNKNOWN\r\n")), "none");
  // The longest line that version 1 can have.
  const std::string all_f = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string longest = "PROXY UNKNOWN " + all_f + " " + all_f + " 65535 65535\r\n";
  ASSERT_EQ(longest.size(), 107u);
  EXPECT_EQ(Source(ParseWhole(longest)), "none");
}

TEST(ProxyProtocolTest, Version1Malformed) {
  for (const char* bad : {
           "PROXY TCP4 192.0.2.1 10.0.0.1 56324\r\n",
           "PROXY TCP4 192.0.2.1 10.0.0.1 56324 443 \r\n",
           "PROXY TCP4  192.0.2.1 10.0.0.1 56324 443\r\n",
           "PROXY TCP4 192.0.2.1 10.0.0.1 65536 443\r\n",
           "PROXY TCP4 192.0.2.1 10.0.0.1 056 443\r\n",
           "PROXY TCP4 192.0.2.1 10.0.0.1 -1 443\r\n",
           "PROXY TCP4 192.0.2.1 10.0.0.1 +1 443\r\n",
           "PROXY TCP4 192.0.2.1 10.0.0.1 56324 x\r\n",
           "PROXY TCP4 192.0.2.256 10.0.0.1 56324 443\r\n",
           "PROXY TCP4 2001:db8::1 ::1 56324 443\r\n",
           "PROXY TCP6 192.0.2.1 10.0.0.1 56324 443\r\n",
           "PROXY UDP4 192.0.2.1 10.0.0.1 56324 443\r\n",
           "PROXY \r\n",
           "PROXY tcp4 192.0.2.1 10.0.0.1 56324 443\r\n",
           "proxy TCP4 192.0.2.1 10.0.0.1 56324 443\r\n",
           "GET / HTTP/1.1\r\n",
           "PROXX",
           " ",
       }) {
    EXPECT_TRUE(IsInvalid(bad)) << bad;
  }
  EXPECT_EQ(ParseProxyHeader("PROXY " + std::string(100, 'x')).state, ProxyParse::kNeedMore);
  EXPECT_TRUE(IsInvalid("PROXY " + std::string(101, 'x')));
  EXPECT_TRUE(IsInvalid("PROXY UNKNOWN" + std::string(93, ' ') + "\r\n"));
}

TEST(ProxyProtocolTest, Version2) {
  EXPECT_EQ(Source(ParseWhole(V2(0x21, 0x11, kV4Body))), "192.0.2.1|54321");
  EXPECT_EQ(Source(ParseWhole(V2(0x21, 0x21, kV6Body))), "2001:db8::1|80");
  // With TLVs behind the addresses.
  EXPECT_EQ(Source(ParseWhole(V2(0x21, 0x11, kV4Body + std::string(300, 'x')))), "192.0.2.1|54321");
  // LOCAL, unknown and unix: the balancer's own business.
  EXPECT_EQ(Source(ParseWhole(V2(0x20, 0x00, ""))), "none");
  EXPECT_EQ(Source(ParseWhole(V2(0x20, 0x11, kV4Body))), "none");
  EXPECT_EQ(Source(ParseWhole(V2(0x21, 0x00, "abc"))), "none");
  EXPECT_EQ(Source(ParseWhole(V2(0x21, 0x31, std::string(216, 'u')))), "none");
}

TEST(ProxyProtocolTest, Version2Malformed) {
  for (const int version_command : {0x11, 0x31, 0x22, 0x2f, 0x01}) {
    EXPECT_TRUE(IsInvalid(V2(version_command, 0x11, kV4Body))) << version_command;
  }
  for (const int family : {0x41, 0x13, 0xff})
    EXPECT_TRUE(IsInvalid(V2(0x21, family, kV4Body))) << family;
  EXPECT_TRUE(IsInvalid(V2(0x21, 0x11, kV4Body.substr(1))));
  EXPECT_TRUE(IsInvalid(V2(0x21, 0x21, kV6Body.substr(1))));
  const std::string biggest = V2(0x21, 0x11, kV4Body + std::string(kMaxProxyHeaderBytes - 28, 'x'));
  EXPECT_EQ(ParseProxyHeader(biggest).consumed, kMaxProxyHeaderBytes);
  // Refused by what it announces, before it has come.
  EXPECT_TRUE(IsInvalid(
      V2(0x21, 0x11, kV4Body + std::string(kMaxProxyHeaderBytes - 27, 'x')).substr(0, 16)));
}

TEST(ProxyProtocolTest, RandomChangesNeverBreakIt) {
  SeededIds random(7);
  const std::string seeds[] = {"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n", "PROXY UNKNOWN\r\n",
                               V2(0x21, 0x11, kV4Body), V2(0x21, 0x21, kV6Body + "tlv"),
                               V2(0x20, 0, "")};
  int done = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes = seeds[random.Random64() % std::size(seeds)];
    for (uint64_t changes = random.Random64() % 4; changes > 0; --changes) {
      const size_t at = random.Random64() % bytes.size();
      switch (random.Random64() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random.Random64());
          break;
        case 1:
          bytes.insert(at, 1, static_cast<char>(random.Random64()));
          break;
        default:
          bytes.erase(at, 1);
      }
      if (bytes.empty()) break;
    }
    const ProxyHeader header = ParseProxyHeader(bytes);
    if (header.state == ProxyParse::kDone) {
      ++done;
      ASSERT_GT(header.consumed, 0u);
      ASSERT_LE(header.consumed, bytes.size());
      // What follows the header has no say in it.
      ASSERT_EQ(ParseProxyHeader(bytes.substr(0, header.consumed)).consumed, header.consumed);
    }
    if (header.state == ProxyParse::kNeedMore) {
      ASSERT_LT(bytes.size(), kMaxProxyHeaderBytes);
    }
  }
  EXPECT_GT(done, 20'000);
}

}  // namespace
}  // namespace covet::limits
