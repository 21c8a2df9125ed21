#include "edge/session/settings.h"

#include <algorithm>

#include "common/config/config.h"

namespace covet::edge {
namespace {

limits::Rate RateOf(const config::v1::Rate& rate, bool unlimited) {
  if (unlimited || rate.count() == 0) return limits::Rate::Unlimited();
  return limits::Rate::Of(rate.count(), absl::Microseconds(config::Micros(rate.per())));
}

// How many in `period_ms`; 0 without a limit.
int64_t PerPeriod(const config::v1::Rate& rate, int64_t period_ms, bool unlimited) {
  const int64_t per_ms = config::Millis(rate.per());
  return unlimited || per_ms == 0 ? 0 : rate.count() * period_ms / per_ms;
}

limits::AbusePolicy AbuseOf(const config::v1::Config& config) {
  const config::v1::AbuseConfig& abuse = config.edge().abuse();
  const bool unlimited = config.limits().unlimited();
  limits::AbusePolicy policy;
  policy.close_after = unlimited ? 0 : abuse.close_after();
  policy.block_after = unlimited ? 0 : abuse.block_after();
  policy.half_life_us = config::Micros(abuse.half_life());
  policy.block_for_us = config::Micros(abuse.block_for());
  return policy;
}

// How long logs without a retention of their own keep a record: the shortest of what this
// deployment has. 0 where age bounds none of them.
int64_t ResumeWindowMs(const config::v1::Config& config) {
  const int64_t rooms = config::Millis(config.rooms().default_retention().max_age());
  const int64_t streams = config::Millis(config.streams().default_retention().max_age());
  const bool has_streams = config::RunsRole(config, "streams") || !config.peers().streams().empty();
  if (!has_streams || streams == 0) return rooms;
  return rooms == 0 ? streams : std::min(rooms, streams);
}

}  // namespace

SessionSettings SettingsOf(const config::v1::Config& config) {
  constexpr int64_t kMinuteMs = 60'000;
  constexpr int64_t kHourMs = 3'600'000;
  const config::v1::EdgeConfig& edge = config.edge();
  const config::v1::LimitsConfig& limits = config.limits();
  const bool unlimited = limits.unlimited();

  SessionSettings settings;
  settings.heartbeat_interval_ms = config::Millis(edge.heartbeat_interval());
  settings.auth_expiring_before_ms = config::Millis(edge.auth_expiring_before());
  settings.resume_window_ms = ResumeWindowMs(config);
  settings.max_message_bytes = static_cast<size_t>(edge.max_message_bytes());
  settings.decode.json_depth = limits.json_depth();
  settings.decode.room_payload = static_cast<size_t>(limits.payload_bytes());
  settings.decode.rpc_params = static_cast<size_t>(limits.rpc_bytes());
  settings.decode.chunk = static_cast<size_t>(limits.chunk_bytes());
  settings.messages = RateOf(limits.messages(), unlimited);
  settings.rpc_calls = RateOf(limits.rpc_calls(), unlimited);
  settings.rooms_per_connection = static_cast<size_t>(limits.rooms_per_connection());
  settings.calls_per_connection = static_cast<size_t>(limits.calls_per_connection());
  settings.abuse = AbuseOf(config);
  settings.max_connections = unlimited ? 0 : edge.max_connections();
  settings.allowed_origins.assign(edge.allowed_origins().begin(), edge.allowed_origins().end());
  settings.drain_window_ms = config::Millis(edge.drain_window());

  ConnectionLimits& shown = settings.limits;
  shown.message_bytes = edge.max_message_bytes();
  shown.room_payload_bytes = limits.payload_bytes();
  shown.record_bytes = limits.payload_bytes();
  shown.chunk_bytes = limits.chunk_bytes();
  shown.rpc_params_bytes = limits.rpc_bytes();
  shown.rpc_result_bytes = limits.rpc_bytes();
  shown.json_depth = limits.json_depth();
  shown.id_length = 128;
  shown.outbound_queue_bytes = edge.outbound_queue_bytes();
  shown.outbound_queue_ms = config::Millis(edge.outbound_head_age());
  shown.rooms = limits.rooms_per_connection();
  shown.subscriptions = limits.subscriptions_per_connection();
  shown.calls_in_flight = limits.calls_per_connection();
  shown.connections = settings.max_connections;
  shown.connection_attempts_per_minute =
      PerPeriod(limits.connection_attempts(), kMinuteMs, unlimited);
  shown.messages_per_minute = PerPeriod(limits.messages(), kMinuteMs, unlimited);
  shown.rpc_calls_per_minute = PerPeriod(limits.rpc_calls(), kMinuteMs, unlimited);
  shown.uploads_per_hour = PerPeriod(limits.uploads(), kHourMs, unlimited);
  return settings;
}

limits::AttemptLimits AttemptLimitsOf(const config::v1::Config& config) {
  const config::v1::LimitsConfig& limits = config.limits();
  limits::AttemptLimits attempts;
  attempts.valid = RateOf(limits.connection_attempts(), limits.unlimited());
  attempts.failed = RateOf(limits.failed_attempts(), limits.unlimited());
  attempts.address = RateOf(limits.address_attempts(), limits.unlimited());
  const std::vector<std::string> blocked(config.edge().blocked_networks().begin(),
                                         config.edge().blocked_networks().end());
  // Validate has parsed them before.
  if (auto networks = limits::NetworkList::Parse(blocked); networks.ok()) {
    attempts.blocked = *std::move(networks);
  }
  attempts.abuse = AbuseOf(config);
  return attempts;
}

}  // namespace covet::edge
