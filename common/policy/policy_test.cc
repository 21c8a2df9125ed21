#include "common/policy/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace covet::policy {
namespace {

using covet::common::v1::Grant;
using covet::common::v1::Identity;
using covet::rooms::v1::RoomGrant;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Grant MakeGrant(std::string action, std::string pattern) {
  Grant grant;
  grant.set_action(std::move(action));
  grant.set_pattern(std::move(pattern));
  return grant;
}

Identity Caller(std::vector<std::string> roles, std::vector<Grant> scopes = {}) {
  Identity identity;
  identity.set_user_id("user_123");
  for (std::string& role : roles) identity.add_roles(std::move(role));
  for (Grant& scope : scopes) *identity.add_scopes() = std::move(scope);
  return identity;
}

Policy DemoPolicy() {
  const std::vector<Role> roles = {
      {"admin", {MakeGrant("*", "*")}},
      {"member",
       {MakeGrant("room:read", "project_*"), MakeGrant("room:write", "project_*"),
        MakeGrant("rpc:call", "*")}},
      {"viewer", {MakeGrant("room:read", "*")}},
      {"moderator", {MakeGrant("room:manage", "lobby_*")}},
  };
  return *Policy::Compile(roles);
}

TEST(ActionTest, EveryActionHasANameThatParsesBackToItAlone) {
  ActionMask all = 0;
  for (int i = 0; i < kActionCount; ++i) {
    const auto action = static_cast<Action>(i);
    EXPECT_EQ(ParseActions(ActionName(action)), MaskOf(action));
    all |= MaskOf(action);
  }
  EXPECT_EQ(all, kAllActions);
  EXPECT_EQ(ParseActions("*"), kAllActions);
  for (const char* bad : {"", "room", "room:", "room:*", "Room:read", "room:read ", "**"}) {
    EXPECT_EQ(ParseActions(bad), std::nullopt) << bad;
  }
}

TEST(ActionTest, GrantsInOneString) {
  const auto grant = [](std::string_view text) {
    const auto parsed = ParseGrant(text);
    return parsed ? std::pair(parsed->action(), parsed->pattern())
                  : std::pair<std::string, std::string>();
  };
  EXPECT_EQ(grant("room:read:project_*"),
            std::pair(std::string("room:read"), std::string("project_*")));
  EXPECT_EQ(grant("room:read"), std::pair(std::string("room:read"), std::string("*")));
  EXPECT_EQ(grant("*"), std::pair(std::string("*"), std::string("*")));
  EXPECT_EQ(grant("*:lobby_*"), std::pair(std::string("*"), std::string("lobby_*")));
  EXPECT_EQ(grant("notify:send:user:u1"),
            std::pair(std::string("notify:send"), std::string("user:u1")));
  for (const char* bad :
       {"", "openid", "room", "room:fly:x", "room:read:", "*:", ":", "room:read x"}) {
    EXPECT_FALSE(ParseGrant(bad).has_value()) << bad;
  }
  EXPECT_FALSE(ParseGrant("room:read:" + std::string(kMaxPatternBytes + 1, 'a')).has_value());
}

TEST(PolicyTest, DeniesByDefault) {
  for (const Policy& policy : {Policy(), DemoPolicy()}) {
    for (const Identity& caller : {Caller({}), Caller({"unknown"}), Caller({""})}) {
      for (int i = 0; i < kActionCount; ++i) {
        EXPECT_FALSE(policy.Allows(caller, static_cast<Action>(i), "project_123"));
        EXPECT_FALSE(policy.Allows(caller, static_cast<Action>(i), "*"));
      }
    }
  }
}

TEST(PolicyTest, RolesGrantTheirActionsOnTheirPatterns) {
  const Policy policy = DemoPolicy();
  const Identity member = Caller({"member"});
  EXPECT_TRUE(policy.Allows(member, Action::kRoomRead, "project_123"));
  EXPECT_TRUE(policy.Allows(member, Action::kRoomWrite, "project_123"));
  EXPECT_FALSE(policy.Allows(member, Action::kRoomWrite, "lobby_1"));
  EXPECT_FALSE(policy.Allows(member, Action::kRoomManage, "project_123"));
  EXPECT_TRUE(policy.Allows(member, Action::kRpcCall, "system.health"));
  EXPECT_FALSE(policy.Allows(member, Action::kStreamRead, "metrics:db"));
  const Identity admin = Caller({"admin"});
  for (int i = 0; i < kActionCount; ++i) {
    EXPECT_TRUE(policy.Allows(admin, static_cast<Action>(i), "anything"));
  }
}

TEST(PolicyTest, RolesScopesAndRoomGrantsAddUp) {
  const Policy policy = DemoPolicy();
  const Identity caller =
      Caller({"viewer", "unknown", "moderator"},
             {MakeGrant("room:write", "secret_*"), MakeGrant("stream:read", "logs:*")});
  EXPECT_TRUE(policy.Allows(caller, Action::kRoomRead, "lobby_1"));
  EXPECT_TRUE(policy.Allows(caller, Action::kRoomManage, "lobby_1"));
  EXPECT_FALSE(policy.Allows(caller, Action::kRoomWrite, "lobby_1"));
  EXPECT_TRUE(policy.Allows(caller, Action::kRoomWrite, "secret_1"));
  EXPECT_TRUE(policy.Allows(caller, Action::kStreamRead, "logs:app"));
  EXPECT_FALSE(policy.Allows(caller, Action::kStreamRead, "metrics:app"));
  EXPECT_FALSE(policy.Allows(caller, Action::kStreamPublish, "logs:app"));
  EXPECT_TRUE(policy.Allows(Caller({}, {MakeGrant("*", "x")}), Action::kNotifySend, "x"));
}

TEST(PolicyTest, ManageImpliesNeitherReadNorWrite) {
  const Policy policy = DemoPolicy();
  EXPECT_THAT(policy.RoomPermissions(Caller({"moderator"}), "lobby_1"), ElementsAre("manage"));
}

TEST(PolicyTest, RoomPermissionsListsWhatIsHeldInFixedOrder) {
  const Policy policy = DemoPolicy();
  EXPECT_THAT(policy.RoomPermissions(Caller({"member"}), "project_123"),
              ElementsAre("read", "write"));
  EXPECT_THAT(policy.RoomPermissions(Caller({"admin"}), "r"),
              ElementsAre("read", "write", "manage"));
  EXPECT_THAT(policy.RoomPermissions(Caller({}), "project_123"), IsEmpty());
}

TEST(PolicyTest, RefusesWhatItCannotMean) {
  const auto error = [](std::vector<Role> roles) {
    return std::string(Policy::Compile(roles).status().message());
  };
  EXPECT_THAT(error({{"a", {MakeGrant("room:fly", "*")}}}),
              HasSubstr("role \"a\": unknown action \"room:fly\""));
  EXPECT_THAT(error({{"a", {MakeGrant("room:read", "")}}}), HasSubstr("empty pattern"));
  EXPECT_THAT(error({{"a", {MakeGrant("room:read", std::string(kMaxPatternBytes + 1, 'x'))}}}),
              HasSubstr("256 bytes"));
  EXPECT_THAT(error({{"", {}}}), HasSubstr("needs a name"));
  EXPECT_THAT(error({{"a", {}}, {"a", {}}}), HasSubstr("\"a\" twice"));
}

google::protobuf::RepeatedPtrField<RoomGrant> OneRoomGrant(const std::string& role,
                                                           const std::string& user,
                                                           std::vector<std::string> actions) {
  google::protobuf::RepeatedPtrField<RoomGrant> grants;
  RoomGrant* grant = grants.Add();
  if (!role.empty()) grant->set_role(role);
  if (!user.empty()) grant->set_user_id(user);
  for (std::string& action : actions) grant->add_actions(std::move(action));
  return grants;
}

TEST(RoomGrantsTest, GrantToUsersAndRolesInThisRoomOnly) {
  const Policy policy = DemoPolicy();
  auto grants = OneRoomGrant("", "user_123", {"room:write"});
  grants.MergeFrom(OneRoomGrant("guest", "", {"room:read"}));
  const RoomGrants room = *RoomGrants::Compile(grants);

  EXPECT_THAT(policy.RoomPermissions(Caller({}), "r", &room), ElementsAre("write"));
  EXPECT_THAT(policy.RoomPermissions(Caller({"guest"}), "r", &room), ElementsAre("read", "write"));
  EXPECT_THAT(policy.RoomPermissions(Caller({"guest"}), "r"), IsEmpty());
  Identity other = Caller({"guest"});
  other.set_user_id("user_1");
  EXPECT_THAT(policy.RoomPermissions(other, "r", &room), ElementsAre("read"));
  // A role named like a user is not that user.
  other.clear_roles();
  other.add_roles("user_123");
  EXPECT_THAT(policy.RoomPermissions(other, "r", &room), IsEmpty());
}

TEST(RoomGrantsTest, OnlyRoomActionsCanBeGranted) {
  for (const char* action : {"*", "rpc:call", "notify:send", "room:*", ""}) {
    EXPECT_FALSE(RoomGrants::Compile(OneRoomGrant("r", "", {action})).ok()) << action;
  }
  EXPECT_FALSE(RoomGrants::Compile(OneRoomGrant("", "", {"room:read"})).ok());
  EXPECT_TRUE(RoomGrants::Compile({})->empty());
}

}  // namespace
}  // namespace covet::policy
