#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/snapshot.h"
#include "common/policy/policy.h"
#include "services/rpc/method.h"
#include "services/rpc/method_registry.h"
#include "services/rpc/rpc_metrics.h"

namespace covet::rpc {

// Every call, wherever it came from: whether the caller may, whether there is such a method and
// room for one more; then the method's own call, counted and logged. Thread-safe.
class Calls {
 public:
  struct Options {
    int64_t max_concurrency = 10'000;
    size_t max_bytes = 1 << 20;  // Of params, and of a result.
  };

  // All must outlive this and every call.
  Calls(const Options& options, const Clock& clock, const Snapshot<policy::Policy>& policy,
        RpcMetrics& metrics);

  // The methods in force from now on; calls under way keep theirs.
  void SetMethods(std::shared_ptr<const MethodRegistry> methods) {
    methods_.Set(std::move(methods));
  }
  std::shared_ptr<const MethodRegistry> methods() const { return methods_.Get(); }

  // `done` runs once, on any thread, possibly at once; then the result may be null.
  // PERMISSION_DENIED goes before METHOD_NOT_FOUND: the name in the call needs `rpc:call`, and so
  // does the method's own, lest its other name be a way round. Does not block.
  std::shared_ptr<backends::BackendCall> Start(const CallRequest& request, backends::CallDone done);

  bool MayCall(const common::v1::Identity& caller, std::string_view method) const;

  // For calls that begin from now on, and results that come.
  void SetMaxBytes(size_t max_bytes) { max_bytes_.store(max_bytes, std::memory_order_relaxed); }

  // Takes no more calls; `idle` runs once when none is under way, possibly at once. Once.
  void Drain(std::function<void()> idle);

 private:
  void End();

  static backends::CallError TooLarge(std::string_view what, size_t size, size_t limit);

  const int64_t max_concurrency_;
  std::atomic<size_t> max_bytes_;
  const Clock& clock_;
  const Snapshot<policy::Policy>& policy_;
  RpcMetrics& metrics_;
  Snapshot<MethodRegistry> methods_;
  // Calls under way, and one more until Drain.
  std::atomic<int64_t> in_flight_{1};
  std::atomic<bool> draining_{false};
  std::function<void()> idle_;  // Written before Drain takes its one of `in_flight_`.
};

}  // namespace covet::rpc
