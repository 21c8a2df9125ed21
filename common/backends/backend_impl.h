#pragma once

#include <grpcpp/completion_queue.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/backends/backend.h"
#include "common/backends/channel.h"
#include "common/backends/circuit_breaker.h"
#include "common/backends/reflection.h"
#include "common/backends/unary_call.h"
#include "common/base/clock.h"

namespace covet::backends {

// The thread that backends share.
class BackendsThread {
 public:
  virtual ~BackendsThread() = default;
  // See CallHost::PostAfter.
  virtual void PostAfter(int64_t delay_ms, std::function<void()> closure) = 0;
  virtual grpc::CompletionQueue* queue() = 0;
  virtual bool stopping() const = 0;
};

class BackendImpl final : public Backend, public CallHost {
 public:
  static absl::StatusOr<std::unique_ptr<BackendImpl>> Open(const std::string& name,
                                                           const config::v1::BackendConfig& config,
                                                           const Backends::Options& options,
                                                           BackendsThread* thread);

  // Backend.
  const std::string& name() const override { return name_; }
  std::shared_ptr<const MethodTable> methods() const override;
  BackendState state() const override;
  std::shared_ptr<BackendCall> Call(MethodRef method, std::string_view params, CallOptions options,
                                    CallDone done) override;
  std::shared_ptr<BackendStream> OpenStream(MethodRef method, std::string_view request,
                                            const CallOptions& options,
                                            StreamReader* reader) override;
  void Refresh() override { refresh_wanted_.store(true); }

  // CallHost.
  Channel* PickChannel() override;
  const Headers& configured_headers() const override { return headers_; }
  void PostAfter(int64_t delay_ms, std::function<void()> closure) override {
    thread_->PostAfter(delay_ms, std::move(closure));
  }
  void SchemaLooksOld() override { Refresh(); }
  size_t max_json_bytes() const override { return max_json_bytes_; }
  bool stopping() const override { return thread_->stopping(); }

  // On the backends' thread.
  void Watch();  // Begins to.
  void Tick();
  // A tag of the queue. Static, for the tag tells the backend.
  static void OnQueueEvent(void* tag, bool ok);
  // Cancels what is in flight. Any thread.
  void CancelAll();
  // Blocks until nothing is.
  void AwaitIdle();

 private:
  // One channel's connectivity, asked for by the queue.
  struct Watched {
    BackendImpl* backend;
    Channel* channel;
    grpc_connectivity_state last;
  };
  BackendImpl(std::string name, const config::v1::BackendConfig& config,
              const Backends::Options& options, BackendsThread* thread);

  // The wire form of a request that may be sent now; else why not. What is admitted is to be given
  // back with Settle and Leave.
  absl::StatusOr<std::string> Enter(const Method& method, std::string_view json,
                                    std::string_view root, const CallOptions& options,
                                    CircuitBreaker::Ticket* ticket);
  absl::Status Admit(CircuitBreaker::Ticket* ticket, bool stream);
  // From here on CancelAll reaches the call.
  void Track(const std::shared_ptr<BackendCall>& call);
  // Gives back what Admit took, before the caller is told, who may call again at once.
  void Settle(CircuitBreaker::Ticket ticket, CircuitBreaker::Outcome outcome);
  // The caller has been told: nothing of the call is left.
  void Leave(BackendCall* call);
  CallResult ResultOf(const Method& method, const grpc::Status& status,
                      const grpc::ByteBuffer& response);

  // On the backends' thread.
  void OnWatched(Watched* watched, bool changed);
  void Arm(Watched* watched);
  void StartFetch();
  absl::Status LoadDescriptorSet();
  void FetchDone(absl::StatusOr<ReflectionFetch::Files> files);
  absl::Status Adopt(const ReflectionFetch::Files& files);
  void SchemaFailed(const absl::Status& status);

  const std::string name_;
  const config::v1::BackendConfig config_;
  const int64_t refresh_interval_ms_;
  const size_t max_json_bytes_;
  const MethodsChanged methods_changed_;
  BackendsThread* const thread_;
  const Clock& clock_;
  Headers headers_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::atomic<size_t> next_channel_{0};
  std::atomic<bool> connected_{false};
  std::atomic<bool> refresh_wanted_{false};
  std::atomic<int64_t> refused_{0};
  std::atomic<int64_t> retries_{0};

  // Of the backends' thread.
  bool fetching_ = false;
  bool fetch_again_ = false;  // Connected anew meanwhile.
  int schema_failures_ = 0;   // In a row.
  int64_t fetch_started_ms_ = 0;
  bool ever_fetched_ = false;

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  CircuitBreaker breaker_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const MethodTable> methods_ ABSL_GUARDED_BY(mutex_);
  std::string schema_error_ ABSL_GUARDED_BY(mutex_);
  std::string call_error_ ABSL_GUARDED_BY(mutex_);
  int64_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t untold_ ABSL_GUARDED_BY(mutex_) = 0;   // In flight, or settled and not left.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;  // Nothing more is admitted.
  bool fetch_running_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<ReflectionFetch> fetch_ ABSL_GUARDED_BY(mutex_);
  // To cancel them.
  absl::flat_hash_map<BackendCall*, std::shared_ptr<BackendCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::backends
