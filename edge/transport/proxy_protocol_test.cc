#include "edge/transport/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>

namespace covet::edge {
namespace {

using State = ProxyHeader::State;

std::string Version2(char command, char family, const std::string& body) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header.push_back(static_cast<char>(0x20 | command));
  header.push_back(family);
  header.push_back(static_cast<char>(body.size() >> 8));
  header.push_back(static_cast<char>(body.size() & 0xff));
  return header + body;
}

void ExpectComplete(const std::string& header, const std::string& address) {
  for (size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(ParseProxyHeader(header.substr(0, size)).state, State::kIncomplete) << size;
  }
  const ProxyHeader parsed = ParseProxyHeader(header + "GET / HTTP/1.1\r\n");
  EXPECT_EQ(parsed.state, State::kComplete);
  EXPECT_EQ(parsed.size, header.size());
  EXPECT_EQ(parsed.address, address);
}

TEST(ProxyProtocolTest, ReadsVersion1) {
  ExpectComplete("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n", "203.0.113.7");
  ExpectComplete("PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", "2001:db8::7");
  ExpectComplete("PROXY UNKNOWN\r\n", "");
  ExpectComplete("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "");
}

TEST(ProxyProtocolTest, ReadsVersion2) {
  const std::string v4("\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01\xbb", 12);
  ExpectComplete(Version2(1, 0x11, v4), "203.0.113.7");
  ExpectComplete(Version2(1, 0x11, v4 + std::string("\x03\x00\x04 tlv", 7)), "203.0.113.7");
  std::string v6(36, '\0');
  v6.replace(0, 4, "\x20\x01\x0d\xb8");
  v6[15] = 7;
  ExpectComplete(Version2(1, 0x21, v6), "2001:db8::7");
  ExpectComplete(Version2(0, 0x00, ""), "");
  ExpectComplete(Version2(1, 0x31, std::string(216, 'u')), "");
}

TEST(ProxyProtocolTest, RefusesWhatIsNotOne) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n"), std::string("PROXY TCP4 nonsense 10.0.0.1 1 2\r\n"),
        std::string("PROXY TCP4 203.0.113.7 10.0.0.1 1\r\n"), std::string("PROXY TCP9 a b 1 2\r\n"),
        std::string("PROXY \r\n"), "PROXY UNKNOWN " + std::string(100, 'x'),
        std::string("\r\n\r\nX"), Version2(2, 0x11, std::string(12, 'a')),
        Version2(1, 0x11, std::string(11, 'a')),
        Version2(1, 0x11, std::string(3000, 'a')).substr(0, 16)}) {
    EXPECT_EQ(ParseProxyHeader(bytes).state, State::kMalformed) << bytes;
  }
}

}  // namespace
}  // namespace covet::edge
