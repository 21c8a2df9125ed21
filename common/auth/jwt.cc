#include "common/auth/jwt.h"

#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/auth/json_object.h"
#include "common/base/string_map.h"
#include "common/errors/error.h"
#include "common/payload/json_writer.h"
#include "common/policy/action.h"

namespace covet::auth {
namespace {

using covet::common::v1::Grant;
using covet::common::v1::Identity;
using simdjson::dom::element;

constexpr size_t kMaxRoleBytes = 128;
// 9999-12-31T23:59:59Z, the end of RFC 3339 and of google.protobuf.Timestamp.
constexpr double kMaxNumericDate = 253402300799;

// A NumericDate (RFC 7519 section 2): seconds, perhaps with a fraction. As milliseconds.
std::optional<int64_t> ParseDateMillis(element value) {
  double seconds;
  // get_double converts integers and refuses everything that is no number.
  if (value.get_double().get(seconds) != simdjson::SUCCESS) return std::nullopt;
  if (!(seconds >= 0 && seconds <= kMaxNumericDate)) return std::nullopt;
  return static_cast<int64_t>(std::floor(seconds * 1000));
}

bool IsUserId(std::string_view id) {
  if (id.empty() || id.size() > kMaxUserIdBytes) return false;
  int chars = 0;
  for (const char c : id) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return false;
    if ((byte & 0xc0) != 0x80) ++chars;  // simdjson has checked the UTF-8.
  }
  return chars <= kMaxUserIdChars;
}

// Calls `use` with each text of an array or of one text separated by spaces; `other` with what is
// no text. False if the value is neither, or one of them says so.
template <typename Use, typename Other>
bool ForEachText(element value, Use use, Other other) {
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) {
    for (const absl::string_view part : absl::StrSplit(ToAbsl(text), ' ', absl::SkipEmpty())) {
      if (!use(std::string_view(part.data(), part.size()))) return false;
    }
    return true;
  }
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  for (const element item : array) {
    const bool ok = item.get_string().get(text) == simdjson::SUCCESS ? use(text) : other(item);
    if (!ok) return false;
  }
  return true;
}

bool ReadRoles(element value, Identity* identity) {
  return ForEachText(
      value,
      [&](std::string_view role) {
        if (role.empty() || role.size() > kMaxRoleBytes || identity->roles_size() == kMaxRoles) {
          return false;
        }
        identity->add_roles(std::string(role));
        return true;
      },
      [](element) { return false; });
}

bool AddScope(std::optional<Grant> grant, Identity* identity) {
  if (!grant) return true;
  if (identity->scopes_size() == kMaxScopes) return false;
  *identity->add_scopes() = *std::move(grant);
  return true;
}

bool ReadScopes(element value, Identity* identity) {
  return ForEachText(
      value, [&](std::string_view scope) { return AddScope(policy::ParseGrant(scope), identity); },
      [&](element item) {
        std::string_view action;
        std::string_view pattern;
        if (item["action"].get_string().get(action) != simdjson::SUCCESS ||
            item["pattern"].get_string().get(pattern) != simdjson::SUCCESS) {
          return false;
        }
        Grant grant;
        grant.set_action(std::string(action));
        grant.set_pattern(std::string(pattern));
        if (!policy::CheckGrant(grant).ok()) return true;
        return AddScope(std::move(grant), identity);
      });
}

bool HasAudience(element value, std::string_view audience) {
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) return text == audience;
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  for (const element item : array) {
    if (item.get_string().get(text) == simdjson::SUCCESS && text == audience) return true;
  }
  return false;
}

std::string Quoted(std::string_view text) {
  std::string out;
  payload::AppendQuoted(&out, text);
  return out;
}

std::string JsonArray(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    absl::StrAppend(&out, out.size() > 1 ? "," : "", Quoted(text));
  }
  return out + "]";
}

}  // namespace

absl::StatusOr<Identity> VerifyJwt(const KeySet& keys, const JwtOptions& options,
                                   std::string_view token, int64_t now_ms) {
  const absl::StatusOr<std::string> payload = VerifyJws(keys, token);
  if (!payload.ok()) return payload.status();
  JsonObject claims;
  if (!claims.Parse(*payload))
    return MakeError(ErrorCode::kAuthFailed, "token claims are not one JSON object");

  const int64_t leeway_ms = absl::ToInt64Milliseconds(options.leeway);
  Identity identity;
  bool issuer_ok = options.issuer.empty();
  bool audience_ok = options.audience.empty();
  std::optional<int64_t> expires_ms;
  for (const auto& [key, value] : claims.members()) {
    std::string_view text;
    bool ok = true;
    if (key == options.user_claim) {
      ok = value.get_string().get(text) == simdjson::SUCCESS && IsUserId(text);
      if (ok) identity.set_user_id(std::string(text));
    } else if (key == options.roles_claim) {
      ok = ReadRoles(value, &identity);
    } else if (key == options.scopes_claim) {
      ok = ReadScopes(value, &identity);
    } else if (key == "exp") {
      expires_ms = ParseDateMillis(value);
      ok = expires_ms.has_value();
    } else if (key == "nbf" || key == "iat") {
      const auto date = ParseDateMillis(value);
      ok = date.has_value();
      if (ok && *date > now_ms + leeway_ms) {
        return MakeError(ErrorCode::kAuthFailed,
                         key == "nbf" ? "token is not valid yet" : "token is from the future");
      }
    } else if (key == "iss" && !options.issuer.empty()) {
      issuer_ok = value.get_string().get(text) == simdjson::SUCCESS && text == options.issuer;
    } else if (key == "aud" && !options.audience.empty()) {
      audience_ok = HasAudience(value, options.audience);
    }
    if (!ok)
      return MakeError(ErrorCode::kAuthFailed,
                       absl::StrCat("token claim \"", ToAbsl(key), "\" refused"));
  }
  if (!issuer_ok) return MakeError(ErrorCode::kAuthFailed, "token has another issuer");
  if (!audience_ok) return MakeError(ErrorCode::kAuthFailed, "token is for another audience");
  if (identity.user_id().empty()) return MakeError(ErrorCode::kAuthFailed, "token names no user");
  if (options.require_expiry && !expires_ms)
    return MakeError(ErrorCode::kAuthFailed, "token has no exp");
  if (expires_ms) {
    // RFC 7519 section 4.1.4: valid before, not at, this time.
    if (now_ms >= *expires_ms) return MakeError(ErrorCode::kAuthExpired, "token expired");
    identity.mutable_expires_at()->set_seconds(*expires_ms / 1000);
    identity.mutable_expires_at()->set_nanos(static_cast<int32_t>(*expires_ms % 1000 * 1'000'000));
  }
  return identity;
}

std::string MintJwt(const JwtOptions& options, const JwtClaims& claims, std::string_view kid,
                    std::string_view secret) {
  std::string json = absl::StrCat("{", Quoted(options.user_claim), ":", Quoted(claims.user_id));
  const auto add = [&json](std::string_view name, const std::string& value) {
    absl::StrAppend(&json, ",", Quoted(name), ":", value);
  };
  if (!claims.roles.empty()) add(options.roles_claim, JsonArray(claims.roles));
  if (!claims.scopes.empty()) add(options.scopes_claim, JsonArray(claims.scopes));
  if (!claims.issuer.empty()) add("iss", Quoted(claims.issuer));
  if (!claims.audience.empty()) add("aud", Quoted(claims.audience));
  if (claims.issued_at_s != 0) add("iat", absl::StrCat(claims.issued_at_s));
  if (claims.expires_at_s != 0) add("exp", absl::StrCat(claims.expires_at_s));
  return SignHs256(kid, secret, json + "}");
}

}  // namespace covet::auth
