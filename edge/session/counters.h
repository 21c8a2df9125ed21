#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "edge/codec/client_messages.h"
#include "edge/transport/counters.h"

namespace covet::edge {

// The close codes that are counted apart; others count as `other`.
inline constexpr std::array<uint16_t, 15> kCountedCloses = {
    1000, 1001, 1002, 1005, 1006, 1007, 1009, 4401, 4408, 4413, 4429, 4500, 4501, 4503, 4504};

// Why connections were refused, in the order of SessionCounters::refused.
enum class Refusal : uint8_t {
  kOrigin,
  kBlocked,
  kThrottled,
  kFull,
  kDraining,
  kAuthFailed,
  kAuthExpired,
};
inline constexpr std::array<std::string_view, 7> kRefusalNames = {
    "origin", "blocked", "throttled", "full", "draining", "auth_failed", "auth_expired"};

// The protocol's error codes that are counted apart; others, a backend's own, count as `other`.
inline constexpr std::array<std::string_view, 18> kCountedErrors = {"AUTH_FAILED",
                                                                    "AUTH_EXPIRED",
                                                                    "RATE_LIMITED",
                                                                    "PERMISSION_DENIED",
                                                                    "ROOM_NOT_FOUND",
                                                                    "RPC_TIMEOUT",
                                                                    "INVALID_MESSAGE_FORMAT",
                                                                    "SUBSCRIPTION_FAILED",
                                                                    "MESSAGE_TOO_LARGE",
                                                                    "NOT_FOUND",
                                                                    "METHOD_NOT_FOUND",
                                                                    "INVALID_ARGUMENT",
                                                                    "CHECKSUM_MISMATCH",
                                                                    "UPLOAD_FAILED",
                                                                    "CONFLICT",
                                                                    "CANCELLED",
                                                                    "UNAVAILABLE",
                                                                    "INTERNAL"};

// What one thread's sessions have done. That thread writes, any may read.
struct SessionCounters {
  Counter open_sessions;  // A gauge.
  Counter opened;
  std::array<Counter, kRefusalNames.size()> refused;
  std::array<Counter, kCountedCloses.size() + 1> closed;
  std::array<Counter, std::variant_size_v<ClientBody>> requests;  // By ClientBody's alternatives.
  std::array<Counter, kCountedErrors.size() + 1> errors;
  Counter notifications;
  Counter notifications_acknowledged_by_pong;
  Counter notifications_acknowledged;
  Counter reading_paused;  // Times that a client's requests were held back.
  Counter abuse_closes;
  Counter memory_closes;  // Readers cut because the memory budget was spent.

  void CountClose(uint16_t code) {
    size_t i = 0;
    while (i < kCountedCloses.size() && kCountedCloses[i] != code) ++i;
    closed[i].Add();
  }
  void CountError(std::string_view code) {
    size_t i = 0;
    while (i < kCountedErrors.size() && kCountedErrors[i] != code) ++i;
    errors[i].Add();
  }
  void CountRefusal(Refusal refusal) { refused[static_cast<size_t>(refusal)].Add(); }
};

}  // namespace covet::edge
