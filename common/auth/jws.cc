#include "common/auth/jws.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/auth/json_object.h"
#include "common/base/string_map.h"
#include "common/errors/error.h"
#include "common/payload/json_writer.h"

namespace covet::auth {
namespace {

class Hs256Key final : public VerificationKey {
 public:
  Hs256Key(std::string kid, std::string secret)
      : kid_(std::move(kid)), secret_(std::move(secret)) {}

  std::string_view algorithm() const override { return "HS256"; }
  const std::string& kid() const override { return kid_; }
  bool Verify(std::string_view signing_input, std::string_view signature) const override {
    return ConstantTimeEquals(HmacSha256(secret_, signing_input), signature);
  }

 private:
  const std::string kid_;
  const std::string secret_;
};

struct Header {
  std::string alg;
  std::string kid;
};

std::optional<Header> ParseHeader(std::string_view json) {
  JsonObject object;
  if (!object.Parse(json)) return std::nullopt;
  Header header;
  bool ok = true;
  for (const auto& [key, value] : object.members()) {
    std::string_view text;
    if (key == "crit") {
      ok = false;
    } else if (key == "alg" || key == "kid" || key == "typ") {
      if (value.get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
      if (key == "alg") header.alg = text;
      if (key == "kid") header.kid = text;
      // Other types share the envelope without being access tokens (RFC 8725 section 3.11).
      if (key == "typ") {
        ok = ok && (absl::EqualsIgnoreCase(ToAbsl(text), "JWT") ||
                    absl::EqualsIgnoreCase(ToAbsl(text), "at+jwt"));
      }
    }
  }
  if (!ok || header.alg.empty() || header.kid.size() > kMaxKidBytes) return std::nullopt;
  return header;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const VerificationKey>> MakeHs256Key(std::string kid,
                                                                    std::string secret) {
  if (secret.size() < kMinHs256SecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an HS256 secret needs at least ", kMinHs256SecretBytes, " bytes"));
  }
  if (kid.size() > kMaxKidBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a kid has at most ", kMaxKidBytes, " bytes"));
  }
  return std::make_shared<const Hs256Key>(std::move(kid), std::move(secret));
}

absl::Status KeySet::Add(std::shared_ptr<const VerificationKey> key) {
  if (keys_.size() == kMaxKeys) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxKeys, " keys"));
  }
  for (const auto& other : keys_) {
    if (other->kid() == key->kid() && other->algorithm() == key->algorithm()) {
      return absl::InvalidArgumentError(absl::StrCat("two keys with the kid \"", key->kid(), "\""));
    }
  }
  keys_.push_back(std::move(key));
  return absl::OkStatus();
}

std::vector<const VerificationKey*> KeySet::Candidates(std::string_view algorithm,
                                                       std::string_view kid) const {
  std::vector<const VerificationKey*> candidates;
  for (const auto& key : keys_) {
    if (key->algorithm() != algorithm) continue;
    if (kid.empty() || key->kid().empty() || key->kid() == kid) candidates.push_back(key.get());
  }
  return candidates;
}

absl::StatusOr<std::string> VerifyJws(const KeySet& keys, std::string_view token) {
  if (token.size() > kMaxTokenBytes) return MakeError(ErrorCode::kAuthFailed, "token too large");
  const size_t first = token.find('.');
  const size_t last = token.rfind('.');
  // Exactly two dots; four would be an encrypted token.
  if (first == std::string_view::npos || first == last || token.find('.', first + 1) != last) {
    return MakeError(ErrorCode::kAuthFailed, "not a token in compact form");
  }
  const auto header_json = DecodeBase64Url(token.substr(0, first));
  auto payload = DecodeBase64Url(token.substr(first + 1, last - first - 1));
  const auto signature = DecodeBase64Url(token.substr(last + 1));
  if (!header_json || !payload || !signature)
    return MakeError(ErrorCode::kAuthFailed, "token is not base64url");
  const auto header = ParseHeader(*header_json);
  if (!header) return MakeError(ErrorCode::kAuthFailed, "token header refused");

  const std::vector<const VerificationKey*> candidates = keys.Candidates(header->alg, header->kid);
  if (candidates.empty())
    return MakeError(ErrorCode::kAuthFailed, "no key for the token's alg and kid");
  for (const VerificationKey* key : candidates) {
    if (key->Verify(token.substr(0, last), *signature)) return *std::move(payload);
  }
  return MakeError(ErrorCode::kAuthFailed, "token signature does not match");
}

std::string SignHs256(std::string_view kid, std::string_view secret, std::string_view payload) {
  std::string header = R"({"alg":"HS256","typ":"JWT")";
  if (!kid.empty()) payload::AppendStringMember(&header, "kid", kid);
  header += '}';
  std::string token = absl::StrCat(EncodeBase64Url(header), ".", EncodeBase64Url(payload));
  return absl::StrCat(token, ".", EncodeBase64Url(HmacSha256(secret, token)));
}

}  // namespace covet::auth
