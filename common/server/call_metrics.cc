#include "common/server/call_metrics.h"

#include <iterator>

namespace covet::server {
namespace {

// As gRPC and grpcurl name them.
constexpr const char* kCodeNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

}  // namespace

void CallMetrics::Record(std::string_view full_method, int code, double seconds) {
  static_assert(std::size(kCodeNames) == kCodes);
  if (code < 0 || code >= kCodes) code = 2;
  metrics::Counter counter;
  metrics::Histogram histogram;
  {
    std::lock_guard lock(mutex_);
    auto it = methods_.find(full_method);
    if (it == methods_.end()) {
      it = methods_.emplace(std::string(full_method), Method{}).first;
      // Without the leading slash, as Prometheus users know it.
      it->second.name = it->first.substr(it->first.rfind('/', 0) == 0 ? 1 : 0);
      it->second.seconds = registry_->AddHistogram(
          "covet_grpc_request_seconds", "How long gRPC calls took, by method.",
          metrics::LatencyBuckets(), {{"method", it->second.name}});
    }
    Method& method = it->second;
    const auto index = static_cast<size_t>(code);
    if (!method.known[index]) {
      method.known[index] = true;
      method.by_code[index] = registry_->AddCounter(
          "covet_grpc_requests_total", "gRPC calls served, by method and code.",
          {{"method", method.name}, {"code", kCodeNames[index]}});
    }
    counter = method.by_code[index];
    histogram = method.seconds;
  }
  counter.Add();
  histogram.Observe(seconds);
}

}  // namespace covet::server
