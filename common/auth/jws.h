#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace covet::auth {

// JSON Web Signatures in compact form (RFC 7515). Immutable objects, thread-safe.

inline constexpr size_t kMaxTokenBytes = 8 * 1024;
inline constexpr size_t kMaxKidBytes = 256;
// RFC 7518 section 3.2: a key at least as long as the hash.
inline constexpr size_t kMinHs256SecretBytes = 32;

// One key that verifies signatures, and the one algorithm it is for. That pin, not the token, says
// how a signature is checked: an RSA public key never becomes an HMAC secret, whatever `alg`
// claims.
class VerificationKey {
 public:
  virtual ~VerificationKey() = default;
  // The JWA name (RFC 7518 section 3.1), e.g. `HS256`; never `none`.
  virtual std::string_view algorithm() const = 0;
  // What a token's `kid` names; empty for a key without a name.
  virtual const std::string& kid() const = 0;
  // Whether `signature` (raw bytes) is this key's over `signing_input`. Constant time in what is
  // secret.
  virtual bool Verify(std::string_view signing_input, std::string_view signature) const = 0;
};

// INVALID_ARGUMENT for a secret under kMinHs256SecretBytes or a kid over kMaxKidBytes.
absl::StatusOr<std::shared_ptr<const VerificationKey>> MakeHs256Key(std::string kid,
                                                                    std::string secret);

// The keys in force: configured ones, and later those fetched as a JWKS (RFC 7517).
class KeySet {
 public:
  static constexpr size_t kMaxKeys = 32;

  // INVALID_ARGUMENT if another key has the same kid and algorithm, or the set is full.
  absl::Status Add(std::shared_ptr<const VerificationKey> key);

  // The keys that may have signed a token with this header: those of its algorithm with its kid, or
  // without a kid of their own. A token that names none is tried with every key of its algorithm.
  std::vector<const VerificationKey*> Candidates(std::string_view algorithm,
                                                 std::string_view kid) const;
  bool empty() const { return keys_.empty(); }

 private:
  std::vector<std::shared_ptr<const VerificationKey>> keys_;
};

// Verifies one token and returns its payload's bytes; else AUTH_FAILED. Refused are tokens over
// kMaxTokenBytes, any `crit` (no extension is understood here), a `typ` that is no JWT, a header
// that repeats a member, an `alg` that no key has (`none` included). Keys carried in the header
// (`jwk`, `jku`, `x5u`) are never looked at.
absl::StatusOr<std::string> VerifyJws(const KeySet& keys, std::string_view token);

// Signs `payload` with HS256 (for tools and tests). The header names `kid` unless it is empty.
std::string SignHs256(std::string_view kid, std::string_view secret, std::string_view payload);

}  // namespace covet::auth
