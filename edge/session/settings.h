#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/limits/abuse.h"
#include "common/limits/connection_attempts.h"
#include "common/limits/gcra.h"
#include "covet/config/v1/config.pb.h"
#include "edge/codec/envelope.h"
#include "edge/codec/messages.h"

namespace covet::edge {

// What configuration says of sessions and upgrades. A reload makes a new one.
struct SessionSettings {
  int64_t heartbeat_interval_ms = 30'000;
  int64_t auth_expiring_before_ms = 60'000;
  int64_t resume_window_ms = 86'400'000;  // Shown in connection_ack; 0 where age is no bound.
  size_t max_message_bytes = 1 << 20;
  DecodeLimits decode;
  ConnectionLimits limits;                                          // Shown in connection_ack.
  limits::Rate messages = limits::Rate::Of(100, absl::Minutes(1));  // Of a connection.
  limits::Rate rpc_calls = limits::Rate::Of(50, absl::Minutes(1));  // Of a user on this edge.
  size_t rooms_per_connection = 100;
  size_t calls_per_connection = 32;
  limits::AbusePolicy abuse;

  int64_t max_connections = 1000;            // 0 for any number.
  std::vector<std::string> allowed_origins;  // Empty for any.
  int64_t drain_window_ms = 5'000;
};

// `config` is validated.
SessionSettings SettingsOf(const config::v1::Config& config);
limits::AttemptLimits AttemptLimitsOf(const config::v1::Config& config);

}  // namespace covet::edge
