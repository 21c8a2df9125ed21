#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/string_map.h"
#include "covet/common/v1/common.pb.h"

namespace covet::auth {

// One API key as it is stored. A key is `<key_id>.<secret>`; of the key only its hash is kept. A
// fast hash, without salt, is right here: the secret is 256 random bits, so neither tables nor
// guessing at any speed find it, and every connection costs one hash. Passwords, which people
// choose, would need a slow one.
struct ApiKeyRecord {
  std::string key_id;
  // SHA-256 of the whole key, in hexadecimal.
  std::string sha256_hex;
  // Whom the key stands for.
  std::string user_id;
  std::vector<std::string> roles;
  std::vector<covet::common::v1::Grant> scopes;
  bool disabled = false;
  // Wall time in milliseconds from which it is refused.
  std::optional<int64_t> expires_at_ms;
};

// The API keys in force. Immutable once filled; then thread-safe.
class ApiKeys {
 public:
  static constexpr size_t kMaxKeyBytes = 512;

  // INVALID_ARGUMENT for an empty id or one with a dot, a repeated id, a hash that is no SHA-256, a
  // missing user.
  absl::Status Add(const ApiKeyRecord& record);

  // Whom the key stands for; AUTH_FAILED for an unknown, wrong or disabled one, AUTH_EXPIRED past
  // its end. `now_ms` is wall time.
  absl::StatusOr<covet::common::v1::Identity> Verify(std::string_view key, int64_t now_ms) const;

  // Whom the key with this fingerprint stands for now, whose expires_at is for the caller to look
  // at; null if it is no longer in force: removed, disabled or its secret replaced. Good while this
  // is.
  const covet::common::v1::Identity* Find(std::string_view fingerprint) const;

  bool empty() const { return keys_.empty(); }

 private:
  struct Entry {
    std::string sha256;
    covet::common::v1::Identity identity;
    bool disabled;
    int64_t expires_at_ms;
  };
  StringMap<Entry> keys_;
};

// What tells a key from others without giving it away: its id and the beginning of its hash. For
// whoever keeps a session to find out whom its key stands for now.
std::string ApiKeyFingerprint(std::string_view key);

struct NewApiKey {
  std::string key;         // To be shown once and not kept.
  std::string sha256_hex;  // To be stored.
};

// A key with a fresh secret from OpenSSL's CSPRNG. `key_id` must hold no dot.
NewApiKey GenerateApiKey(std::string_view key_id);

}  // namespace covet::auth
