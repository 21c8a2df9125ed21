#include "common/auth/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "common/errors/error.h"

namespace covet::auth {
namespace {

bool IsAuthExpired(const absl::Status& status) {
  return !status.ok() && CodeOf(status) == ErrorCode::kAuthExpired;
}

using covet::common::v1::Identity;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kNowS = 1'757'505'600;
constexpr int64_t kNowMs = kNowS * 1000;

class JwtTest : public ::testing::Test {
 protected:
  JwtTest() { EXPECT_TRUE(keys_.Add(*MakeHs256Key("", secret_)).ok()); }

  absl::StatusOr<Identity> Verify(std::string_view claims, int64_t now_ms = kNowMs) {
    return VerifyJwt(keys_, options_, SignHs256("", secret_, claims), now_ms);
  }
  // Whether claims beside a good `sub` pass.
  bool Passes(const std::string& claims, int64_t now_ms = kNowMs) {
    return Verify(R"({"sub":"u",)" + claims + "}", now_ms).ok();
  }

  const std::string secret_ = std::string(32, 's');
  KeySet keys_;
  JwtOptions options_;
};

std::string Scopes(const Identity& identity) {
  std::string out;
  for (const auto& scope : identity.scopes()) out += scope.action() + "=" + scope.pattern() + ";";
  return out;
}

TEST_F(JwtTest, ReadsUserRolesScopesAndExpiry) {
  const auto identity = Verify(
      R"({"sub":"user_123","roles":["admin","member"],"scopes":["room:read:project_*","rpc:call"],)"
      R"("exp":1757509200,"iat":1757505600,"other":{"deep":[1]}})");
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->user_id(), "user_123");
  EXPECT_THAT(identity->roles(), ElementsAre("admin", "member"));
  EXPECT_EQ(Scopes(*identity), "room:read=project_*;rpc:call=*;");
  EXPECT_EQ(identity->expires_at().seconds(), 1757509200);
  EXPECT_EQ(identity->session_id(), "");
  EXPECT_FALSE(identity->service_account());
}

TEST_F(JwtTest, MintedTokensVerify) {
  options_.issuer = "covet";
  options_.audience = "edge";
  JwtClaims claims;
  claims.user_id = "user \"1\"";
  claims.roles = {"admin", "viewer"};
  claims.scopes = {"stream:read:logs:*"};
  claims.issuer = "covet";
  claims.audience = "edge";
  claims.issued_at_s = kNowS;
  claims.expires_at_s = kNowS + 60;
  const auto identity =
      VerifyJwt(keys_, options_, MintJwt(options_, claims, "k1", secret_), kNowMs);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->user_id(), "user \"1\"");
  EXPECT_THAT(identity->roles(), ElementsAre("admin", "viewer"));
  EXPECT_EQ(Scopes(*identity), "stream:read=logs:*;");
  EXPECT_EQ(identity->expires_at().seconds(), kNowS + 60);
}

TEST_F(JwtTest, EndsAtExpToTheMillisecond) {
  const std::string claims = R"({"sub":"u","exp":1757505600})";
  EXPECT_TRUE(Verify(claims, kNowMs - 1).ok());
  const auto late = Verify(claims, kNowMs);
  EXPECT_TRUE(IsAuthExpired(late.status())) << late.status();
  EXPECT_TRUE(IsAuthExpired(Verify(claims, kNowMs + 1'000'000'000).status()));

  const std::string fraction = R"({"sub":"u","exp":1757505600.5})";
  EXPECT_EQ(Verify(fraction, kNowMs + 499)->expires_at().nanos(), 500'000'000);
  EXPECT_TRUE(IsAuthExpired(Verify(fraction, kNowMs + 500).status()));
}

TEST_F(JwtTest, WithoutExpItNeverEndsUnlessThatIsRequired) {
  EXPECT_FALSE(Verify(R"({"sub":"u"})")->has_expires_at());
  options_.require_expiry = true;
  EXPECT_FALSE(Verify(R"({"sub":"u"})").ok());
  EXPECT_TRUE(Passes(R"("exp":1757509200)"));
}

TEST_F(JwtTest, OtherFaultsOutweighExpiry) {
  // Whoever gets AUTH_EXPIRED is told to fetch a new token, which must be worth it.
  EXPECT_FALSE(IsAuthExpired(Verify(R"({"exp":1})").status()));
  options_.issuer = "covet";
  EXPECT_FALSE(IsAuthExpired(Verify(R"({"sub":"u","exp":1,"iss":"x"})").status()));
  EXPECT_FALSE(
      IsAuthExpired(VerifyJwt(keys_, options_,
                              SignHs256("", std::string(32, 'x'), R"({"sub":"u","exp":1})"), kNowMs)
                        .status()));
}

TEST_F(JwtTest, NbfAndIatAllowForTheIssuersClock) {
  for (const char* claim : {"\"nbf\":", "\"iat\":"}) {
    EXPECT_TRUE(Passes(std::string(claim) + "1"));
    EXPECT_TRUE(Passes(claim + std::to_string(kNowS + 30)));
    EXPECT_FALSE(Passes(claim + std::to_string(kNowS + 31)));
    EXPECT_TRUE(Passes(claim + std::to_string(kNowS + 31), kNowMs + 1000));
  }
  options_.leeway = absl::ZeroDuration();
  EXPECT_TRUE(Passes("\"nbf\":" + std::to_string(kNowS)));
  EXPECT_FALSE(Passes("\"nbf\":" + std::to_string(kNowS + 1)));
}

TEST_F(JwtTest, DatesMustBeSaneNumbers) {
  for (const char* claim : {"exp", "nbf", "iat"}) {
    for (const char* value :
         {"\"1757509200\"", "null", "true", "-1", "[1]", "253402300800", "1e300"}) {
      EXPECT_FALSE(Passes(std::string("\"") + claim + "\":" + value)) << claim << value;
    }
  }
  EXPECT_TRUE(Passes("\"exp\":253402300799"));
  EXPECT_TRUE(Passes("\"exp\":1.8e9"));
}

TEST_F(JwtTest, UserIdsAreBounded) {
  const auto ok = [&](const std::string& sub) { return Verify("{\"sub\":" + sub + "}").ok(); };
  const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
  EXPECT_TRUE(ok(quoted(std::string(128, 'u'))));
  EXPECT_FALSE(ok(quoted(std::string(129, 'u'))));
  std::string umlauts;
  for (int i = 0; i < 128; ++i) umlauts += "\xc3\xa4";
  EXPECT_TRUE(ok(quoted(umlauts)));
  EXPECT_FALSE(ok(quoted(umlauts + "u")));
  for (const char* bad : {"\"\"", "7", "null", "[\"u\"]", R"("a\u0000b")", R"("a\nb")", "\"a\x7f\"",
                          R"("\ud800")", "\"\xff\""}) {
    EXPECT_FALSE(ok(bad)) << bad;
  }
  EXPECT_FALSE(Verify("{}").ok());
}

TEST_F(JwtTest, RolesAsArrayOrText) {
  EXPECT_THAT(Verify(R"({"sub":"u","roles":" admin  member "})")->roles(),
              ElementsAre("admin", "member"));
  EXPECT_THAT(Verify(R"({"sub":"u","roles":["two words"]})")->roles(), ElementsAre("two words"));
  EXPECT_EQ(Verify(R"({"sub":"u","roles":[]})")->roles_size(), 0);
  for (const char* bad : {"7", "null", "{}", "[7]", "[\"\"]", "[null]"}) {
    EXPECT_FALSE(Passes(std::string("\"roles\":") + bad)) << bad;
  }
  std::string many = "\"r\"";
  for (int i = 1; i < kMaxRoles; ++i) many += ",\"r\"";
  EXPECT_TRUE(Passes("\"roles\":[" + many + "]"));
  EXPECT_FALSE(Passes("\"roles\":[" + many + ",\"r\"]"));
}

TEST_F(JwtTest, ScopesInEveryForm) {
  const auto scopes = [&](const std::string& value) {
    const auto identity = Verify(R"({"sub":"u","scopes":)" + value + "}");
    return identity.ok() ? Scopes(*identity) : "refused";
  };
  EXPECT_EQ(scopes(R"("room:read:a room:write:b openid")"), "room:read=a;room:write=b;");
  EXPECT_EQ(scopes(R"([{"action":"room:read","pattern":"a b"},"*:x_*"])"), "room:read=a b;*=x_*;");
  // What grants nothing of ours is none of our business; what has the wrong type is a mistake.
  EXPECT_EQ(scopes(R"([{"action":"room:fly","pattern":"*"},"profile","room:read:"])"), "");
  for (const char* bad :
       {"7", "{}", "[7]", R"([{"action":"room:read"}])", R"([{"action":1,"pattern":"a"}])"}) {
    EXPECT_EQ(scopes(bad), "refused") << bad;
  }
}

TEST_F(JwtTest, IssuerAndAudienceIfConfigured) {
  EXPECT_TRUE(Passes(R"("iss":7,"aud":7)"));
  options_.issuer = "covet";
  EXPECT_FALSE(Passes(R"("x":1)"));
  EXPECT_FALSE(Passes(R"("iss":"covet2")"));
  EXPECT_FALSE(Passes(R"("iss":["covet"])"));
  EXPECT_TRUE(Passes(R"("iss":"covet")"));
  options_.issuer.clear();
  options_.audience = "edge";
  EXPECT_FALSE(Passes(R"("x":1)"));
  EXPECT_FALSE(Passes(R"("aud":"other")"));
  EXPECT_FALSE(Passes(R"("aud":["other",7])"));
  EXPECT_TRUE(Passes(R"("aud":"edge")"));
  EXPECT_TRUE(Passes(R"("aud":["other","edge"])"));
}

TEST_F(JwtTest, ClaimsThatRepeatAreRefused) {
  const auto result = Verify(R"({"sub":"u","sub":"admin"})");
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("one JSON object"));
  EXPECT_FALSE(Passes(R"("exp":1,"exp":1757509200)"));
  EXPECT_FALSE(Verify("[]").ok());
  EXPECT_FALSE(Verify("").ok());
}

TEST_F(JwtTest, ClaimNamesAreConfigurable) {
  options_.user_claim = "uid";
  options_.roles_claim = "https://example.com/roles";
  const auto identity =
      Verify(R"({"sub":"not this","uid":"u","roles":["x"],"https://example.com/roles":["y"]})");
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->user_id(), "u");
  EXPECT_THAT(identity->roles(), ElementsAre("y"));
}

}  // namespace
}  // namespace covet::auth
