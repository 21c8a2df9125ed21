#include "common/auth/jws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/auth/crypto.h"
#include "common/errors/error.h"

namespace covet::auth {
namespace {

bool IsAuthExpired(const absl::Status& status) {
  return !status.ok() && CodeOf(status) == ErrorCode::kAuthExpired;
}

using ::testing::HasSubstr;

// RFC 7515 appendix A.1.
constexpr std::string_view kRfcHeader = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
constexpr std::string_view kRfcPayload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlf"
    "Q";
constexpr std::string_view kRfcSignature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
constexpr std::string_view kRfcKey =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

const std::string kSecret(32, 's');

std::string Join(std::string_view header, std::string_view payload, std::string_view signature) {
  return std::string(header) + "." + std::string(payload) + "." + std::string(signature);
}

KeySet Hs256Keys(std::string kid = "", std::string secret = kSecret) {
  KeySet keys;
  EXPECT_TRUE(keys.Add(*MakeHs256Key(std::move(kid), std::move(secret))).ok());
  return keys;
}

// A token with any header, its signature right for kSecret.
std::string Forge(std::string_view header_json, std::string_view payload = "{}") {
  const std::string input = EncodeBase64Url(header_json) + "." + EncodeBase64Url(payload);
  return input + "." + EncodeBase64Url(HmacSha256(kSecret, input));
}

// Stands for an asymmetric key: any signature that is its public text.
class PublicKey final : public VerificationKey {
 public:
  PublicKey(std::string algorithm, std::string kid)
      : algorithm_(std::move(algorithm)), kid_(std::move(kid)) {}
  std::string_view algorithm() const override { return algorithm_; }
  const std::string& kid() const override { return kid_; }
  bool Verify(std::string_view, std::string_view signature) const override {
    return signature == "right";
  }

 private:
  const std::string algorithm_;
  const std::string kid_;
};

TEST(CryptoTest, PublishedVectors) {
  // FIPS 180-4 example and RFC 4231 case 2.
  EXPECT_EQ(EncodeHex(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(EncodeHex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(CryptoTest, Base64UrlTakesTheCanonicalFormOnly) {
  EXPECT_EQ(DecodeBase64Url(""), "");
  EXPECT_EQ(DecodeBase64Url("Zg"), "f");
  EXPECT_EQ(DecodeBase64Url("-_-_"), "\xfb\xff\xbf");
  for (const char* bad : {"Zg==", "Zh", "Z", "+/+/", "Zm 9v", "Zm9v\n", "Zm9v.", "Zm9v="}) {
    EXPECT_EQ(DecodeBase64Url(bad), std::nullopt) << bad;
  }
}

TEST(CryptoTest, HexTakesEitherCaseAndNothingElse) {
  EXPECT_EQ(DecodeHex("00fFaB"), std::string("\x00\xff\xab", 3));
  for (const char* bad : {"0", "0g", "0x", " 0"}) EXPECT_EQ(DecodeHex(bad), std::nullopt) << bad;
}

TEST(CryptoTest, ConstantTimeEquals) {
  EXPECT_TRUE(ConstantTimeEquals("", ""));
  EXPECT_TRUE(ConstantTimeEquals("ab", "ab"));
  EXPECT_FALSE(ConstantTimeEquals("ab", "ac"));
  EXPECT_FALSE(ConstantTimeEquals("ab", "abc"));
}

TEST(JwsTest, Rfc7515AppendixA1) {
  const KeySet keys = Hs256Keys("", *DecodeBase64Url(kRfcKey));
  EXPECT_EQ(*VerifyJws(keys, Join(kRfcHeader, kRfcPayload, kRfcSignature)),
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
}

TEST(JwsTest, EveryChangedCharacterIsNoticed) {
  const KeySet keys = Hs256Keys("", *DecodeBase64Url(kRfcKey));
  const std::string token = Join(kRfcHeader, kRfcPayload, kRfcSignature);
  for (size_t i = 0; i < token.size(); ++i) {
    for (const char c : {'A', 'Q', '.', '_', '=', '\0'}) {
      std::string changed = token;
      if (changed[i] == c) continue;
      changed[i] = c;
      EXPECT_FALSE(VerifyJws(keys, changed).ok()) << i << ' ' << c;
    }
    EXPECT_FALSE(VerifyJws(keys, token.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(VerifyJws(keys, token + "A").ok());
  EXPECT_FALSE(VerifyJws(keys, token + ".").ok());
}

TEST(JwsTest, SignedTokensVerify) {
  const std::string token = SignHs256("k\"1", kSecret, R"({"sub":"u"})");
  EXPECT_EQ(*VerifyJws(Hs256Keys("k\"1"), token), R"({"sub":"u"})");
  EXPECT_FALSE(VerifyJws(Hs256Keys("k\"1", std::string(32, 'x')), token).ok());
}

TEST(JwsTest, AlgNoneIsRefusedInEverySpelling) {
  const KeySet keys = Hs256Keys();
  for (const char* alg : {"none", "None", "NONE", "nOnE", "", "hs256", "HS512"}) {
    const std::string header = std::string(R"({"alg":")") + alg + "\"}";
    EXPECT_FALSE(VerifyJws(keys, Forge(header)).ok()) << alg;
    EXPECT_FALSE(VerifyJws(keys, EncodeBase64Url(header) + ".e30.").ok()) << alg;
  }
  EXPECT_FALSE(VerifyJws(keys, Forge("{}")).ok());
  EXPECT_FALSE(VerifyJws(keys, Forge(R"({"alg":null})")).ok());
  EXPECT_FALSE(VerifyJws(keys, Forge(R"({"alg":["HS256"]})")).ok());
  EXPECT_TRUE(VerifyJws(keys, Forge(R"({"alg":"HS256"})")).ok());
  EXPECT_FALSE(VerifyJws(KeySet(), Forge(R"({"alg":"HS256"})")).ok());
}

TEST(JwsTest, AKeyIsUsedWithItsOwnAlgorithmOnly) {
  // The classic confusion: a token signed with HS256 for a key that is meant for RS256, and the
  // other way round.
  KeySet keys;
  ASSERT_TRUE(keys.Add(std::make_shared<PublicKey>("RS256", "rsa")).ok());
  ASSERT_TRUE(keys.Add(*MakeHs256Key("hmac", kSecret)).ok());
  EXPECT_FALSE(VerifyJws(keys, Forge(R"({"alg":"HS256","kid":"rsa"})")).ok());
  EXPECT_FALSE(VerifyJws(keys, Forge(R"({"alg":"RS256","kid":"hmac"})")).ok());
  EXPECT_TRUE(VerifyJws(keys, Forge(R"({"alg":"HS256","kid":"hmac"})")).ok());
  const std::string rsa = EncodeBase64Url(R"({"alg":"RS256","kid":"rsa"})") + ".e30.";
  EXPECT_TRUE(VerifyJws(keys, rsa + EncodeBase64Url("right")).ok());
  EXPECT_FALSE(VerifyJws(keys, rsa + EncodeBase64Url("wrong")).ok());
}

TEST(JwsTest, KidSelectsTheKey) {
  const std::string other(32, 'o');
  KeySet keys;
  ASSERT_TRUE(keys.Add(*MakeHs256Key("old", other)).ok());
  ASSERT_TRUE(keys.Add(*MakeHs256Key("new", kSecret)).ok());
  EXPECT_TRUE(VerifyJws(keys, SignHs256("new", kSecret, "{}")).ok());
  EXPECT_TRUE(VerifyJws(keys, SignHs256("old", other, "{}")).ok());
  EXPECT_FALSE(VerifyJws(keys, SignHs256("old", kSecret, "{}")).ok());
  EXPECT_FALSE(VerifyJws(keys, SignHs256("gone", kSecret, "{}")).ok());
  // Without a kid every key of the algorithm is tried.
  EXPECT_TRUE(VerifyJws(keys, SignHs256("", kSecret, "{}")).ok());
  EXPECT_TRUE(VerifyJws(keys, SignHs256("", other, "{}")).ok());
  // A key without a name takes tokens that name any.
  EXPECT_TRUE(VerifyJws(Hs256Keys(), SignHs256("whatever", kSecret, "{}")).ok());
}

TEST(JwsTest, HeadersThatAreRefused) {
  const KeySet keys = Hs256Keys();
  for (const char* header : {
           R"({"alg":"HS256","crit":["exp"],"exp":1})",
           R"({"alg":"HS256","crit":[]})",
           R"({"alg":"HS256","b64":false,"crit":["b64"]})",
           R"({"alg":"HS256","alg":"HS256"})",
           R"({"alg":"none","alg":"HS256"})",
           R"({"alg":"HS256","kid":"a","kid":"b"})",
           R"({"alg":"HS256","\u0061lg":"none"})",
           R"({"alg":"HS256","typ":"secevent+jwt"})",
           R"({"alg":"HS256","kid":1})",
           R"({"alg":"HS256"} x)",
           R"(["HS256"])",
           R"({"alg":"HS256")",
           "",
           R"({"alg":"HS256","x":[[[[[[[[[[1]]]]]]]]]]})",
       }) {
    EXPECT_FALSE(VerifyJws(keys, Forge(header)).ok()) << header;
  }
  EXPECT_FALSE(VerifyJws(keys, Forge(R"({"alg":"HS256","kid":")" +
                                     std::string(kMaxKidBytes + 1, 'k') + "\"}"))
                   .ok());
  // Keys that a token brings along are ignored, not believed.
  EXPECT_TRUE(
      VerifyJws(keys,
                Forge(R"({"alg":"HS256","typ":"at+JWT","jku":"https://evil/","jwk":{"k":"x"}})"))
          .ok());
}

TEST(JwsTest, SizeIsBounded) {
  const KeySet keys = Hs256Keys();
  const std::string fits = SignHs256("", kSecret, "{" + std::string(6000, ' ') + "}");
  ASSERT_LE(fits.size(), kMaxTokenBytes);
  EXPECT_TRUE(VerifyJws(keys, fits).ok());
  const std::string over = SignHs256("", kSecret, "{" + std::string(6200, ' ') + "}");
  ASSERT_GT(over.size(), kMaxTokenBytes);
  EXPECT_FALSE(VerifyJws(keys, over).ok());
}

TEST(JwsTest, RefusalsSayWhyAndNeverShowTheToken) {
  const auto result = VerifyJws(Hs256Keys(), SignHs256("", std::string(32, 'x'), "{}"));
  EXPECT_TRUE(absl::IsUnauthenticated(result.status()));
  EXPECT_FALSE(IsAuthExpired(result.status()));
  EXPECT_EQ(result.status().message(), "token signature does not match");
}

TEST(KeySetTest, RefusesWeakAndRepeatedKeys) {
  EXPECT_THAT(std::string(MakeHs256Key("", std::string(31, 's')).status().message()),
              HasSubstr("32 bytes"));
  EXPECT_FALSE(MakeHs256Key(std::string(kMaxKidBytes + 1, 'k'), kSecret).ok());
  KeySet keys;
  EXPECT_TRUE(keys.empty());
  for (size_t i = 0; i < KeySet::kMaxKeys; ++i) {
    EXPECT_TRUE(keys.Add(*MakeHs256Key(std::to_string(i), kSecret)).ok());
    EXPECT_FALSE(keys.Add(*MakeHs256Key(std::to_string(i), kSecret)).ok());
  }
  EXPECT_FALSE(keys.Add(*MakeHs256Key("one more", kSecret)).ok());
}

}  // namespace
}  // namespace covet::auth
