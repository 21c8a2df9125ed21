#include "services/rpc/rpc_metrics.h"

#include <algorithm>
#include <iterator>

namespace covet::rpc {
namespace {

// In the order of BackendMetrics::by_code_.
constexpr std::string_view kCodeNames[] = {"OK",
                                           "RPC_TIMEOUT",
                                           "CANCELLED",
                                           "INVALID_ARGUMENT",
                                           "NOT_FOUND",
                                           "CONFLICT",
                                           "PERMISSION_DENIED",
                                           "MESSAGE_TOO_LARGE",
                                           "RATE_LIMITED",
                                           "UNAVAILABLE",
                                           "INTERNAL",
                                           "METHOD_NOT_FOUND",
                                           "CONNECTION_FAILED",
                                           "other"};

size_t IndexOf(std::string_view code) {
  if (code.empty()) return 0;
  const auto* const found = std::find(std::begin(kCodeNames), std::end(kCodeNames), code);
  return found == std::end(kCodeNames) ? std::size(kCodeNames) - 1
                                       : static_cast<size_t>(found - std::begin(kCodeNames));
}

}  // namespace

BackendMetrics::BackendMetrics(metrics::Registry* registry, const std::string& backend)
    : seconds_(registry->AddHistogram("covet_rpc_call_seconds", "From taking a call up to its end.",
                                      metrics::LatencyBuckets(), {{"backend", backend}})),
      in_flight_gauge_(registry->AddCallbackGauge(
          "covet_rpc_in_flight", "Calls under way.", {{"backend", backend}},
          [in_flight = in_flight_] { return static_cast<double>(in_flight->load()); })) {
  static_assert(std::size(kCodeNames) == kCodes);
  for (size_t i = 0; i < kCodes; ++i) {
    by_code_[i] =
        registry->AddCounter("covet_rpc_calls_total", "Calls that have ended.",
                             {{"backend", backend}, {"code", std::string(kCodeNames[i])}});
  }
}

void BackendMetrics::End(std::string_view code, double seconds) {
  in_flight_->fetch_sub(1, std::memory_order_relaxed);
  seconds_.Observe(seconds);
  by_code_[IndexOf(code)].Add();
}

RpcMetrics::RpcMetrics(metrics::Registry* registry) : registry_(registry) {
  const auto refused = [&](const char* reason) {
    return registry->AddCounter("covet_rpc_refused_total", "Calls that no backend has seen.",
                                {{"reason", reason}});
  };
  denied_ = refused("permission");
  unknown_method_ = refused("unknown_method");
  too_large_ = refused("too_large");
  overloaded_ = refused("overloaded");
}

BackendMetrics& RpcMetrics::Of(const std::string& backend) {
  std::lock_guard lock(mutex_);
  std::unique_ptr<BackendMetrics>& metrics = backends_[backend];
  if (!metrics) metrics = std::make_unique<BackendMetrics>(registry_, backend);
  return *metrics;
}

void RpcMetrics::CountRefused(std::string_view code) {
  if (code == "PERMISSION_DENIED") {
    denied_.Add();
  } else if (code == "METHOD_NOT_FOUND") {
    unknown_method_.Add();
  } else if (code == "MESSAGE_TOO_LARGE") {
    too_large_.Add();
  } else {
    overloaded_.Add();
  }
}

}  // namespace covet::rpc
