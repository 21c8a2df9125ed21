#pragma once

namespace covet::auth {

// gRPC metadata that calls between roles carry. Nobody else may send keys that begin with
// kReservedPrefix.
inline constexpr char kReservedPrefix[] = "covet-";
// A peer token (peer_token.h).
inline constexpr char kPeerTokenKey[] = "covet-peer-token";
// A serialized covet.common.v1.Identity: the user that the peer speaks for.
inline constexpr char kIdentityKey[] = "covet-identity-bin";

// What everyone else sends.
inline constexpr char kAuthorizationKey[] = "authorization";
inline constexpr char kApiKeyKey[] = "x-api-key";

}  // namespace covet::auth
