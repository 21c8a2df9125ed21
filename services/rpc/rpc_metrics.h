#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/metrics/metrics.h"

namespace covet::rpc {

// What the calls of one backend have done. Thread-safe.
class BackendMetrics {
 public:
  BackendMetrics(metrics::Registry* registry, const std::string& backend);

  void Begin() { in_flight_->fetch_add(1, std::memory_order_relaxed); }
  // `code` is empty for success.
  void End(std::string_view code, double seconds);

 private:
  static constexpr size_t kCodes = 14;

  const std::shared_ptr<std::atomic<int64_t>> in_flight_ =
      std::make_shared<std::atomic<int64_t>>(0);
  metrics::Histogram seconds_;
  std::array<metrics::Counter, kCodes> by_code_;
  metrics::CallbackRegistration in_flight_gauge_;
};

// What Prometheus sees of calls: covet_rpc_calls_total{backend,code}, covet_rpc_call_seconds and
// covet_rpc_in_flight{backend}, covet_rpc_refused_total{reason}. Backends are those of the
// configuration and our own services; codes are the protocol's and `other`. Thread-safe.
class RpcMetrics {
 public:
  explicit RpcMetrics(metrics::Registry* registry);

  // Of the backend of this name; good as long as this.
  BackendMetrics& Of(const std::string& backend);
  // A call that no backend has seen.
  void CountRefused(std::string_view code);

 private:
  metrics::Registry* const registry_;
  metrics::Counter denied_;
  metrics::Counter unknown_method_;
  metrics::Counter too_large_;
  metrics::Counter overloaded_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<BackendMetrics>, std::less<>> backends_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::rpc
