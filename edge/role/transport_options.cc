#include "edge/role/transport_options.h"

#include <algorithm>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "common/config/formats.h"
#include "common/limits/address.h"

namespace covet::edge {

absl::StatusOr<TransportOptions> TransportOptionsOf(const config::v1::Config& config) {
  const config::v1::EdgeConfig& edge = config.edge();
  TransportOptions options;
  int port = 0;
  if (!config::SplitAddress(edge.listen(), &options.bind_address, &port)) {
    return absl::InvalidArgumentError(absl::StrCat("edge.listen: ", edge.listen()));
  }
  if (options.bind_address == "localhost") options.bind_address = "127.0.0.1";
  if (!limits::IpAddress::Parse(options.bind_address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("edge.listen: ", options.bind_address, " is not an address"));
  }
  options.port = static_cast<uint16_t>(port);
  options.threads = edge.threads() > 0 ? static_cast<size_t>(edge.threads())
                                       : std::max(1U, std::thread::hardware_concurrency());
  options.tls_certificate_chain_file = edge.tls().cert_file();
  options.tls_private_key_file = edge.tls().key_file();
  options.proxy_protocol = edge.proxy_protocol();
  options.trusted_proxies.assign(edge.trusted_proxies().begin(), edge.trusted_proxies().end());
  options.handshake_timeout_ms = config::Millis(edge.handshake_timeout());
  options.close_timeout_ms = config::Millis(edge.close_timeout());
  options.max_head_age_ms = config::Millis(edge.outbound_head_age());
  options.queue.max_bytes = static_cast<size_t>(edge.outbound_queue_bytes());
  options.queue.high_water_bytes = options.queue.max_bytes / 4;
  options.compression = edge.compression();

  // 2.5 heartbeat intervals of silence, and often enough a look at who owes a heartbeat.
  const int64_t heartbeat_ms = config::Millis(edge.heartbeat_interval());
  options.idle_timeout_ms = heartbeat_ms * 5 / 2;
  options.sweep_period_ms = std::clamp<int64_t>(std::min(heartbeat_ms, options.max_head_age_ms) / 4,
                                                10, options.sweep_period_ms);
  return options;
}

}  // namespace covet::edge
