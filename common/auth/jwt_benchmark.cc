#include <benchmark/benchmark.h>

#include <string>

#include "common/auth/api_key.h"
#include "common/auth/jwt.h"
#include "common/auth/peer_token.h"
#include "common/base/clock.h"

namespace covet::auth {
namespace {

void BM_VerifyJwt(benchmark::State& state) {
  const std::string secret(32, 's');
  KeySet keys;
  if (!keys.Add(*MakeHs256Key("k1", secret)).ok()) return;
  JwtClaims claims;
  claims.user_id = "user_123";
  claims.roles = {"admin", "member"};
  claims.scopes = {"room:read:project_*"};
  claims.issued_at_s = 1'757'505'600;
  claims.expires_at_s = claims.issued_at_s + 3600;
  const JwtOptions options;
  const std::string token = MintJwt(options, claims, "k1", secret);
  for (auto _ : state) {
    benchmark::DoNotOptimize(VerifyJwt(keys, options, token, claims.issued_at_s * 1000));
  }
}
BENCHMARK(BM_VerifyJwt);

void BM_VerifyApiKey(benchmark::State& state) {
  const NewApiKey key = GenerateApiKey("reports");
  ApiKeyRecord record;
  record.key_id = "reports";
  record.sha256_hex = key.sha256_hex;
  record.user_id = "reports";
  ApiKeys keys;
  if (!keys.Add(record).ok()) return;
  for (auto _ : state) benchmark::DoNotOptimize(keys.Verify(key.key, 0));
}
BENCHMARK(BM_VerifyApiKey);

void BM_PeerToken(benchmark::State& state) {
  const PeerTokens tokens("a cluster key of some length", SystemClock());
  for (auto _ : state) {
    benchmark::DoNotOptimize(tokens.Verify(tokens.Make("edge", "/a.B/C"), "/a.B/C"));
  }
}
BENCHMARK(BM_PeerToken);

}  // namespace
}  // namespace covet::auth
