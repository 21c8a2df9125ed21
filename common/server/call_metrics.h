#pragma once

#include <array>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "common/metrics/metrics.h"

namespace covet::server {

// Counts and times the gRPC calls that a process serves: covet_grpc_requests_total{method,code},
// covet_grpc_request_seconds{method}. Methods are those of our own services, so the labels stay
// few. Thread-safe.
class CallMetrics {
 public:
  explicit CallMetrics(metrics::Registry* registry) : registry_(registry) {}

  // A call ended with `code`, a grpc::StatusCode. For streams `seconds` is how long they were open.
  void Record(std::string_view full_method, int code, double seconds);

 private:
  static constexpr int kCodes = 17;
  struct Method {
    std::string name;
    std::array<metrics::Counter, kCodes> by_code;
    std::array<bool, kCodes> known{};
    metrics::Histogram seconds;
  };

  metrics::Registry* const registry_;
  std::mutex mutex_;
  std::map<std::string, Method, std::less<>> methods_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::server
