#include "common/auth/api_key.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/errors/error.h"

namespace covet::auth {
namespace {

using covet::common::v1::Grant;
using covet::common::v1::Identity;

constexpr size_t kSecretBytes = 32;

std::string Fingerprint(std::string_view key_id, std::string_view sha256) {
  return absl::StrCat(ToAbsl(key_id), ":", EncodeHex(sha256.substr(0, 8)));
}

}  // namespace

absl::Status ApiKeys::Add(const ApiKeyRecord& record) {
  if (record.key_id.empty() || record.key_id.find('.') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad API key id \"", record.key_id, "\": it is empty or has a dot"));
  }
  auto hash = DecodeHex(record.sha256_hex);
  if (!hash || hash->size() != kSha256Bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("API key \"", record.key_id, "\": the hash is not 64 hexadecimal digits"));
  }
  if (record.user_id.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("API key \"", record.key_id, "\": no user"));
  }
  Entry entry{*std::move(hash), Identity(), record.disabled,
              record.expires_at_ms.value_or(std::numeric_limits<int64_t>::max())};
  entry.identity.set_user_id(record.user_id);
  entry.identity.set_service_account(true);
  for (const std::string& role : record.roles) entry.identity.add_roles(role);
  for (const Grant& scope : record.scopes) *entry.identity.add_scopes() = scope;
  if (record.expires_at_ms) {
    entry.identity.mutable_expires_at()->set_seconds(*record.expires_at_ms / 1000);
    entry.identity.mutable_expires_at()->set_nanos(
        static_cast<int32_t>(*record.expires_at_ms % 1000 * 1'000'000));
  }
  if (!keys_.try_emplace(record.key_id, std::move(entry)).second) {
    return absl::InvalidArgumentError(absl::StrCat("API key \"", record.key_id, "\" twice"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Identity> ApiKeys::Verify(std::string_view key, int64_t now_ms) const {
  const size_t dot = key.find('.');
  if (key.size() > kMaxKeyBytes || dot == std::string_view::npos) {
    return MakeError(ErrorCode::kAuthFailed, "not an API key");
  }
  // Hashed first, so that an unknown id takes as long as a known one.
  const std::string hash = Sha256(key);
  const auto it = keys_.find(key.substr(0, dot));
  // One answer for both: whoever lacks the secret learns nothing of the key.
  if (it == keys_.end() || !ConstantTimeEquals(it->second.sha256, hash)) {
    return MakeError(ErrorCode::kAuthFailed, "unknown API key");
  }
  const Entry& entry = it->second;
  if (entry.disabled) return MakeError(ErrorCode::kAuthFailed, "API key is disabled");
  if (now_ms >= entry.expires_at_ms) return MakeError(ErrorCode::kAuthExpired, "API key expired");
  return entry.identity;
}

const Identity* ApiKeys::Find(std::string_view fingerprint) const {
  // An id may hold colons, the hash does not.
  const std::string_view key_id = fingerprint.substr(0, fingerprint.rfind(':'));
  const auto it = keys_.find(key_id);
  if (it == keys_.end() || it->second.disabled) return nullptr;
  return Fingerprint(key_id, it->second.sha256) == fingerprint ? &it->second.identity : nullptr;
}

std::string ApiKeyFingerprint(std::string_view key) {
  return Fingerprint(key.substr(0, key.find('.')), Sha256(key));
}

NewApiKey GenerateApiKey(std::string_view key_id) {
  NewApiKey out;
  out.key = absl::StrCat(ToAbsl(key_id), ".", EncodeBase64Url(RandomBytes(kSecretBytes)));
  out.sha256_hex = EncodeHex(Sha256(out.key));
  return out;
}

}  // namespace covet::auth
