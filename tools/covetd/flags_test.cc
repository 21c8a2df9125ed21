#include "tools/covetd/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace covet::covetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FlagsTest, ReadsBothFormsAndRepetition) {
  const auto flags = ParseFlags({"--config", "a.yaml", "--set", "a.b=c=d", "--set=e=[1, 2]",
                                 "--target=edge,rooms", "--target", "rpc", "--check-config"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->config, "a.yaml");
  EXPECT_THAT(flags->sets, ElementsAre("a.b=c=d", "e=[1, 2]"));
  EXPECT_THAT(flags->targets, ElementsAre("edge", "rooms", "rpc"));
  EXPECT_TRUE(flags->check_config);
  EXPECT_FALSE(flags->print_config);
}

TEST(FlagsTest, NothingIsFine) {
  const auto flags = ParseFlags({});
  ASSERT_TRUE(flags.ok());
  EXPECT_THAT(flags->config, IsEmpty());
  EXPECT_THAT(flags->targets, IsEmpty());
}

TEST(FlagsTest, RefusesWhatItDoesNotKnow) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"run"}, {"--conf", "x"}, {"--config"}, {"--set="}, {"--version=1"}, {"-h"}}) {
    EXPECT_FALSE(ParseFlags(arguments).ok()) << arguments[0];
  }
}

}  // namespace
}  // namespace covet::covetd
