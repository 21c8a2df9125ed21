#include "bench/load/jwt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace covet::bench {

std::string MintToken(const TokenClaims& claims, const std::string& secret) {
  std::string header = R"({"alg":"HS256","typ":"JWT")";
  if (!claims.key_id.empty()) absl::StrAppend(&header, ",\"kid\":\"", claims.key_id, "\"");
  header += '}';

  std::string body = absl::StrCat("{\"sub\":\"", claims.subject, "\",\"iat\":", claims.issued_at,
                                  ",\"exp\":", claims.expires_at);
  if (!claims.roles.empty()) {
    absl::StrAppend(&body, ",\"roles\":[\"", absl::StrJoin(claims.roles, "\",\""), "\"]");
  }
  if (!claims.issuer.empty()) absl::StrAppend(&body, ",\"iss\":\"", claims.issuer, "\"");
  if (!claims.audience.empty()) absl::StrAppend(&body, ",\"aud\":\"", claims.audience, "\"");
  body += '}';

  std::string token =
      absl::StrCat(absl::WebSafeBase64Escape(header), ".", absl::WebSafeBase64Escape(body));
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int mac_size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(token.data()), token.size(), mac, &mac_size);
  absl::StrAppend(
      &token, ".",
      absl::WebSafeBase64Escape(std::string(reinterpret_cast<const char*>(mac), mac_size)));
  return token;
}

}  // namespace covet::bench
