#include "common/auth/peer_token.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/base/string_map.h"
#include "common/errors/error.h"

namespace covet::auth {
namespace {

constexpr size_t kMaxRoleBytes = 32;
constexpr size_t kMaxTimeDigits = 15;

bool IsRole(std::string_view role) {
  return !role.empty() && role.size() <= kMaxRoleBytes &&
         std::all_of(role.begin(), role.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

}  // namespace

PeerTokens::PeerTokens(std::string cluster_key, const Clock& clock)
    : key_(std::move(cluster_key)), clock_(clock) {}

std::string PeerTokens::Mac(std::string_view role, std::string_view time,
                            std::string_view full_method) const {
  // Neither role nor time can hold a newline, so no two triples give the same text.
  return EncodeBase64Url(HmacSha256(key_, absl::StrCat("covet-peer-v1\n", ToAbsl(role), "\n",
                                                       ToAbsl(time), "\n", ToAbsl(full_method))));
}

std::string PeerTokens::Make(std::string_view role, std::string_view full_method) const {
  const std::string time = absl::StrCat(clock_.WallMillis());
  return absl::StrCat(ToAbsl(role), ".", time, ".", Mac(role, time, full_method));
}

absl::StatusOr<std::string> PeerTokens::Verify(std::string_view token,
                                               std::string_view full_method) const {
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos)
    return MakeError(ErrorCode::kUnauthenticated, "not a peer token");
  const std::string_view role = token.substr(0, first);
  const std::string_view time = token.substr(first + 1, second - first - 1);
  int64_t at_ms = -1;
  if (!IsRole(role) || time.empty() || time.size() > kMaxTimeDigits ||
      std::from_chars(time.data(), time.data() + time.size(), at_ms).ptr !=
          time.data() + time.size() ||
      at_ms < 0) {
    return MakeError(ErrorCode::kUnauthenticated, "not a peer token");
  }
  if (!ConstantTimeEquals(Mac(role, time, full_method), token.substr(second + 1))) {
    return MakeError(ErrorCode::kUnauthenticated,
                     "peer token does not match: another cluster_key or method");
  }
  const int64_t age_ms = clock_.WallMillis() - at_ms;
  if (age_ms > kPeerTokenLifetimeMs || age_ms < -kPeerTokenLifetimeMs) {
    return MakeError(ErrorCode::kUnauthenticated,
                     absl::StrCat("peer token of ", age_ms, " ms ago: are the clocks in step?"));
  }
  return std::string(role);
}

}  // namespace covet::auth
