#include "edge/transport/trusted_proxies.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace covet::edge {
namespace {

TEST(TrustedProxiesTest, BelievesOnlyTrustedPeers) {
  const auto proxies = TrustedProxies::Parse({"10.0.0.0/9", "192.0.2.1", "fd00::/8"});
  ASSERT_TRUE(proxies.ok());
  EXPECT_EQ(proxies->ClientAddress("10.1.2.3", "203.0.113.7"), "203.0.113.7");
  EXPECT_EQ(proxies->ClientAddress("10.127.255.255", "203.0.113.7"), "203.0.113.7");
  EXPECT_EQ(proxies->ClientAddress("10.128.0.0", "203.0.113.7"), "10.128.0.0");
  EXPECT_EQ(proxies->ClientAddress("192.0.2.1", "2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(proxies->ClientAddress("192.0.2.2", "203.0.113.7"), "192.0.2.2");
  EXPECT_EQ(proxies->ClientAddress("fdff::1", "203.0.113.7"), "203.0.113.7");
  EXPECT_EQ(proxies->ClientAddress("fe00::1", "203.0.113.7"), "fe00::1");
}

TEST(TrustedProxiesTest, TakesTheLastThatIsNotTrusted) {
  const auto proxies = TrustedProxies::Parse({"10.0.0.0/8"});
  ASSERT_TRUE(proxies.ok());
  EXPECT_EQ(proxies->ClientAddress("10.0.0.1", "198.51.100.1, 203.0.113.7,10.0.0.2"),
            "203.0.113.7");
  EXPECT_EQ(proxies->ClientAddress("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
  EXPECT_EQ(proxies->ClientAddress("10.0.0.1", ""), "10.0.0.1");
  EXPECT_EQ(proxies->ClientAddress("10.0.0.1", "203.0.113.7, unknown"), "10.0.0.1");
}

TEST(TrustedProxiesTest, TrustsNobodyByDefault) {
  const auto proxies = TrustedProxies::Parse({});
  ASSERT_TRUE(proxies.ok());
  EXPECT_EQ(proxies->ClientAddress("127.0.0.1", "203.0.113.7"), "127.0.0.1");
}

TEST(TrustedProxiesTest, RefusesWhatIsNoNetwork) {
  for (const char* text :
       {"", "proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "::1/129", "10.0.0/8"}) {
    EXPECT_EQ(TrustedProxies::Parse({text}).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

}  // namespace
}  // namespace covet::edge
