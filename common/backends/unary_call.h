#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/backends/backend.h"
#include "common/backends/channel.h"

namespace covet::backends {

using Headers = std::vector<std::pair<std::string, std::string>>;

// What a call asks of its backend. Outlives every call, for a backend stops only when all are over.
class CallHost {
 public:
  virtual ~CallHost() = default;
  virtual Channel* PickChannel() = 0;
  virtual const Headers& configured_headers() const = 0;
  // Runs `closure` on the backends' thread, after `delay_ms` or, when it stops, at once.
  virtual void PostAfter(int64_t delay_ms, std::function<void()> closure) = 0;
  // The backend answered with something that the schema does not explain.
  virtual void SchemaLooksOld() = 0;
  virtual bool stopping() const = 0;
  virtual size_t max_json_bytes() const = 0;
};

// A unary call, with its repetitions. Keeps itself alive until it is over.
class UnaryCall final : public BackendCall, public std::enable_shared_from_this<UnaryCall> {
 public:
  // Runs once, on a gRPC thread or the backends', when nothing of the call uses the channel any
  // more. `status` is the last attempt's, `attempts` how many there were.
  using Ended = std::function<void(const grpc::Status& status, const grpc::ByteBuffer& response,
                                   int attempts)>;

  UnaryCall(CallHost* host, MethodRef method, std::string_view request, CallOptions options,
            Ended ended);
  ~UnaryCall() override;
  void Start() { Attempt(); }
  void Cancel() override;

 private:
  class Reactor;

  void Attempt();
  void AttemptDone(const grpc::Status& status);
  void End(const grpc::Status& status);
  // Whether another attempt may be made, and when.
  bool MayRetry(const grpc::Status& status, int64_t* delay_ms) const;

  CallHost* const host_;
  const MethodRef method_;
  const Headers headers_;
  const bool has_deadline_;
  const std::chrono::system_clock::time_point deadline_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  Ended ended_;
  int attempts_ = 0;
  std::mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // For another attempt.
  std::unique_ptr<Reactor> reactor_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<UnaryCall> self_;
};

// One buffer with a copy of the bytes.
grpc::ByteBuffer ToBuffer(std::string_view bytes);
// The bytes of a buffer in one piece: a view of it, or of `slice`.
std::string_view ViewOf(const grpc::ByteBuffer& buffer, grpc::Slice* slice);

}  // namespace covet::backends
