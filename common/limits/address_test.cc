#include "common/limits/address.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace covet::limits {
namespace {

IpAddress Ip(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address.has_value()) << text;
  return address.value_or(IpAddress());
}

NetworkList Networks(std::vector<std::string> networks) { return *NetworkList::Parse(networks); }

TEST(IpAddressTest, ParsesAndPrintsBothFamilies) {
  EXPECT_EQ(Ip("192.0.2.1").ToString(), "192.0.2.1");
  EXPECT_TRUE(Ip("192.0.2.1").is_v4());
  EXPECT_EQ(Ip("2001:DB8:0:0::1").ToString(), "2001:db8::1");
  EXPECT_FALSE(Ip("2001:db8::1").is_v4());
  EXPECT_EQ(Ip("::").ToString(), "::");
  EXPECT_FALSE(Ip("::1").is_v4());
}

TEST(IpAddressTest, MappedFormIsTheIpv4Address) {
  EXPECT_EQ(Ip("::ffff:192.0.2.1"), Ip("192.0.2.1"));
  EXPECT_EQ(Ip("::ffff:c000:201").ToString(), "192.0.2.1");
  EXPECT_EQ(Ip("::ffff:192.0.2.1").LimitKey(), "192.0.2.1");
}

TEST(IpAddressTest, RefusesEverythingElse) {
  for (const std::string_view bad :
       {std::string_view(""), std::string_view("1.2.3"), std::string_view("1.2.3.4.5"),
        std::string_view("1.2.3.256"), std::string_view("01.2.3.4"), std::string_view(" 1.2.3.4"),
        std::string_view("1.2.3.4 "), std::string_view("1.2.3.4:5"), std::string_view("0x7f.1"),
        std::string_view("[::1]"), std::string_view(":::"), std::string_view("fe80::1%eth0"),
        std::string_view("1::2::3"), std::string_view("localhost"),
        std::string_view("1.2.3.4\0x", 9), std::string_view("::1\0", 4),
        std::string_view("1111:1111:1111:1111:1111:1111:1111:1111:1111:1111")}) {
    EXPECT_FALSE(IpAddress::Parse(bad).has_value()) << bad;
  }
}

TEST(IpAddressTest, LimitKeyIsTheSlash64) {
  EXPECT_EQ(Ip("2001:db8:1:2:3:4:5:6").LimitKey(), "2001:db8:1:2::/64");
  EXPECT_EQ(Ip("2001:db8:1:2::").LimitKey(), Ip("2001:db8:1:2:ffff:ffff:ffff:ffff").LimitKey());
  EXPECT_NE(Ip("2001:db8:1:2::").LimitKey(), Ip("2001:db8:1:3::").LimitKey());
  EXPECT_NE(Ip("192.0.2.1").LimitKey(), Ip("192.0.2.2").LimitKey());
}

TEST(IpAddressTest, PortsAsProxiesWriteThem) {
  for (const char* text :
       {"192.0.2.1", "192.0.2.1:1", "192.0.2.1:65535", "[::ffff:192.0.2.1]:80"}) {
    EXPECT_EQ(IpAddress::ParseWithPort(text), Ip("192.0.2.1")) << text;
  }
  for (const char* text : {"2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443"}) {
    EXPECT_EQ(IpAddress::ParseWithPort(text), Ip("2001:db8::1")) << text;
  }
  for (const char* bad :
       {"", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:123456", "[192.0.2.1]:80", "[::1", "[::1]80",
        "[::1]:", "[::1]:-1", "[]", "unknown", "_hidden", ":80"}) {
    EXPECT_FALSE(IpAddress::ParseWithPort(bad).has_value()) << bad;
  }
}

TEST(NetworkListTest, ContainsByPrefix) {
  const NetworkList list =
      Networks({"10.0.0.0/8", "192.0.2.128/25", "203.0.113.7", "2001:db8::/33"});
  for (const char* in : {"10.0.0.0", "10.255.255.255", "192.0.2.128", "192.0.2.255", "203.0.113.7",
                         "2001:db8:7fff::1", "::ffff:10.1.2.3"}) {
    EXPECT_TRUE(list.Contains(Ip(in))) << in;
  }
  for (const char* out : {"9.255.255.255", "11.0.0.0", "192.0.2.127", "203.0.113.6",
                          "2001:db8:8000::1", "::", "a00::"}) {
    EXPECT_FALSE(list.Contains(Ip(out))) << out;
  }
  EXPECT_TRUE(NetworkList().empty());
  EXPECT_FALSE(NetworkList().Contains(Ip("::")));
}

TEST(NetworkListTest, WholeFamilies) {
  // All of IPv4 is not all of IPv6; the other way round it is, for IPv4 is mapped into it.
  EXPECT_TRUE(Networks({"0.0.0.0/0"}).Contains(Ip("1.2.3.4")));
  EXPECT_FALSE(Networks({"0.0.0.0/0"}).Contains(Ip("2001:db8::1")));
  EXPECT_TRUE(Networks({"::/0"}).Contains(Ip("2001:db8::1")));
  EXPECT_TRUE(Networks({"::ffff:10.0.0.0/104"}).Contains(Ip("10.1.1.1")));
  EXPECT_FALSE(Networks({"::ffff:10.0.0.0/104"}).Contains(Ip("11.1.1.1")));
}

TEST(NetworkListTest, RefusesWhatIsNoNetwork) {
  for (const char* bad :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+1", "10.0.0.0/8/8",
        "2001:db8::/129", "10.0.0.0/ 8", "host/8", "10.0.0.0/99999999999"}) {
    EXPECT_FALSE(NetworkList::Parse({std::string(bad)}).ok()) << bad;
  }
}

std::string Resolve(std::string_view peer, std::vector<std::string_view> forwarded,
                    const NetworkList& trusted) {
  return ResolveClient(Ip(peer), forwarded, trusted).ToString();
}

TEST(ResolveClientTest, OnlyTrustedProxiesAreBelieved) {
  const NetworkList trusted = Networks({"10.0.0.0/8", "2001:db8::/64"});
  EXPECT_EQ(Resolve("192.0.2.1", {"1.1.1.1"}, trusted), "192.0.2.1");
  EXPECT_EQ(Resolve("192.0.2.1", {"1.1.1.1"}, NetworkList()), "192.0.2.1");
  EXPECT_EQ(Resolve("10.0.0.1", {}, trusted), "10.0.0.1");
  EXPECT_EQ(Resolve("10.0.0.1", {"1.1.1.1"}, trusted), "1.1.1.1");
  EXPECT_EQ(Resolve("::ffff:10.0.0.1", {"1.1.1.1"}, trusted), "1.1.1.1");
}

TEST(ResolveClientTest, TheRightmostUntrustedAddressIsTheClient) {
  const NetworkList trusted = Networks({"10.0.0.0/8", "2001:db8::/64"});
  // What the client itself sent along stands to the left of what the proxy added.
  EXPECT_EQ(Resolve("10.0.0.1", {"6.6.6.6, 1.1.1.1"}, trusted), "1.1.1.1");
  EXPECT_EQ(Resolve("10.0.0.1", {"6.6.6.6", "1.1.1.1 , 10.9.9.9"}, trusted), "1.1.1.1");
  EXPECT_EQ(Resolve("2001:db8::9", {"[2001:db9::1]:99, 10.2.2.2:80"}, trusted), "2001:db9::1");
  EXPECT_EQ(Resolve("10.0.0.1", {"10.0.0.3,10.0.0.2"}, trusted), "10.0.0.3");
}

TEST(ResolveClientTest, StopsAtWhatIsNoAddress) {
  const NetworkList trusted = Networks({"10.0.0.0/8"});
  for (const char* junk :
       {"", "unknown", "6.6.6.6,", "6.6.6.6, _x", "6.6.6.6;10.0.0.2", "6.6.6.6, ,"}) {
    EXPECT_EQ(Resolve("10.0.0.1", {junk}, trusted), "10.0.0.1") << junk;
  }
  EXPECT_EQ(Resolve("10.0.0.1", {"6.6.6.6, unknown, 10.0.0.2"}, trusted), "10.0.0.2");
}

}  // namespace
}  // namespace covet::limits
