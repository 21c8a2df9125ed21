#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/server/call_authenticator.h"
#include "common/server/open_calls.h"

namespace covet {
class Clock;
class IdGenerator;
}  // namespace covet

namespace covet::server {

class CallMetrics;

// What serving a gRPC call needs. Pointers outlive every call.
struct CallTools {
  CallAuthenticator* authenticator = nullptr;
  CallMetrics* metrics = nullptr;
  const Clock* clock = nullptr;
  IdGenerator* ids = nullptr;
  OpenCalls* open_calls = nullptr;
};

// The metadata key of the correlation id, in both directions.
inline constexpr char kCorrelationIdKey[] = "x-correlation-id";

// What is known of one call.
struct CallInfo {
  Caller caller;
  // The caller's `x-correlation-id` (1 to 128 printable characters), or a fresh one.
  std::string correlation_id;
  // `/package.Service/Method`.
  std::string_view full_method;
};

// One call from its beginning to its end: authenticates, finds the correlation id and returns it in
// the initial metadata; at the end converts the status, counts and logs. Not thread-safe.
class CallScope {
 public:
  // `full_method` is a literal.
  CallScope(const CallTools& tools, grpc::CallbackServerContext* context,
            std::string_view full_method);

  // OK if the caller is known; otherwise the call is to end with it.
  const absl::Status& admission() const { return admission_; }
  const CallInfo& info() const { return info_; }
  // Runs `end` when the caller's credential ends before this does; see OpenCalls::Add. Once.
  void OnCredentialEnd(std::function<void(absl::Status)> end);
  // The status to finish the call with. Once, either.
  grpc::Status Finish(const absl::Status& status);
  grpc::Status FinishWith(grpc::Status status);

 private:
  const CallTools& tools_;
  const int64_t started_us_;
  CallInfo info_;
  absl::Status admission_;
  OpenCalls::Entry open_;
};

}  // namespace covet::server
