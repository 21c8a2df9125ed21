#include "common/backends/caller_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace covet::backends {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(CallerMetadataTest, TellsWhoCalls) {
  common::v1::Identity caller;
  caller.set_user_id("user_123");
  caller.set_session_id("sess_1");
  caller.add_roles("admin");
  caller.add_roles("member");
  EXPECT_THAT(CallerMetadata(caller),
              ElementsAre(Pair("covet-user-id", "user_123"), Pair("covet-session-id", "sess_1"),
                          Pair("covet-roles", "admin,member")));
}

TEST(CallerMetadataTest, EncodesWhatMetadataCannotHold) {
  common::v1::Identity caller;
  caller.set_user_id("J\xC3\xB6rg 100%\n");
  caller.add_roles("a,b");
  caller.set_service_account(true);
  EXPECT_THAT(CallerMetadata(caller),
              ElementsAre(Pair("covet-user-id", "J%C3%B6rg%20100%25%0A"),
                          Pair("covet-roles", "a%2Cb"), Pair("covet-service-account", "true")));
  EXPECT_EQ(MetadataValue("\x7F"), "%7F");
}

}  // namespace
}  // namespace covet::backends
