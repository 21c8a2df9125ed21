#include "bench/load/delivery.h"

#include <gtest/gtest.h>

#include <string>

namespace covet::bench {
namespace {

TEST(DeliveryTest, PayloadHasTheSizeAskedFor) {
  Payload payload(200);
  EXPECT_EQ(payload.Stamp(1).size(), 200u);
  EXPECT_EQ(Payload(0).Stamp(1).size(), Payload::kMinimumSize);
}

TEST(DeliveryTest, FindsTheTimeWhereverTheEnvelopePutsIt) {
  Payload payload(64);
  DeliveryFinder finder;
  uint64_t sent = 0;
  for (uint64_t i = 1; i < 100; ++i) {
    const uint64_t stamp = i * 0x0123456789abcdULL;
    const std::string text =
        std::string(i % 7, 'e') + std::string(payload.Stamp(stamp)) + std::string(i % 5, '}');
    ASSERT_TRUE(finder.Find(text, &sent)) << i;
    EXPECT_EQ(sent, stamp);
  }
}

TEST(DeliveryTest, OtherMessagesAreNotDeliveries) {
  Payload payload(64);
  DeliveryFinder finder;
  uint64_t sent = 0;
  const std::string text(payload.Stamp(5));
  EXPECT_FALSE(finder.Find("", &sent));
  EXPECT_FALSE(finder.Find(R"({"type":"room_message_ack","data":{"offset":1}})", &sent));
  EXPECT_FALSE(finder.Find(std::string_view(text).substr(0, 20), &sent));
  EXPECT_TRUE(finder.Find(text, &sent));
}

}  // namespace
}  // namespace covet::bench
