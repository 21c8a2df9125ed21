#pragma once

#include <cstdint>

namespace covet::edge {

// Why the session closes a connection, as clients are told (docs/protocol.md).
inline constexpr uint16_t kCloseAuthExpired = 4401;
inline constexpr uint16_t kCloseSlowConsumer = 4413;
inline constexpr uint16_t kCloseAbuse = 4429;
inline constexpr uint16_t kCloseAuthFailed = 4501;
inline constexpr uint16_t kCloseBlocked = 4503;
inline constexpr uint16_t kCloseRevoked = 4504;

}  // namespace covet::edge
