#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "covet/rpc/v1/link.pb.h"
#include "edge/link/link_lifecycle.h"
#include "edge/link/link_wire.h"

namespace covet::edge {

using RpcWire = LinkWire<rpc::v1::EdgeFrame>;

// A call's number tells its edge thread.
inline constexpr int kCallThreadShift = 48;
inline uint32_t ThreadOfCall(uint64_t call) {
  return static_cast<uint32_t>(call >> kCallThreadShift);
}

// Ends of calls of one edge thread.
using RpcResults = std::vector<rpc::v1::LinkResult>;

// Hands results to the edge thread of their calls, in order. Called under the RpcLink's lock.
class RpcDispatcher {
 public:
  virtual ~RpcDispatcher() = default;
  virtual void Dispatch(uint32_t thread, std::shared_ptr<RpcResults> results) = 0;
};

struct RpcLinkOptions {
  std::string edge_name;
  // Bytes of results that may be on their way or wait for an edge thread; the service keeps the
  // rest.
  int64_t credit_bytes = 8 << 20;
  // What may wait to be sent; beyond it Submit refuses.
  size_t max_queued_calls = 100'000;
  int64_t max_queued_bytes = 64 << 20;
  int64_t away_timeout_ms = 2'000;  // How long a call waits while the service is away.
  LinkTimes times;
};

struct RpcLinkCounters {
  int64_t connects = 0;
  int64_t calls = 0;      // Sent.
  int64_t refused = 0;    // The queue was full.
  int64_t not_sent = 0;   // Waited too long for the service, or past their ttl.
  int64_t lost = 0;       // Under way when a stream broke.
  int64_t cancelled = 0;  // At the edge: by clients, closing connections, timeouts.
  int64_t frames_out = 0;
  int64_t frames_in = 0;
};

// The edge's end of its link to the rpc service: calls and cancels go up, a frame at a time with
// all that queued meanwhile; results come down. A call goes up once. What was under way when the
// stream breaks ends as UNAVAILABLE, its outcome unknown; what was not sent yet waits for the next
// stream for a while. Thread-safe: edge threads submit, the wire's threads deliver.
class RpcLink {
 public:
  RpcLink(RpcLinkOptions options, const Clock& clock, IdGenerator& ids, RpcWire& wire,
          RpcDispatcher& dispatcher);

  void Start();
  // No call is accepted from here on; the stream ends.
  void Stop();
  // To be called every 100 ms or so.
  void Tick();

  // Sends `call`, whose `timeout_ms` is filled in when it goes up: what is left until
  // `deadline_ms`. It is not sent after `start_before_ms`, 0 for any time. Both are steady
  // milliseconds. A result is dispatched once, unless the call is cancelled or its deadline passes
  // before it is sent. False if the queue is full or the link stopped.
  bool Submit(rpc::v1::LinkCall call, int64_t deadline_ms, int64_t start_before_ms);
  // No result of this call is dispatched any more. Does nothing for calls that have ended.
  void Cancel(uint64_t call_id);

  // A thread has dealt with results of so many bytes (LinkResult::ByteSizeLong); the service is
  // told once it is worth a frame.
  void Consume(int64_t bytes);

  // From the wire (LinkWire).
  void OnUp();
  void OnFrame(rpc::v1::ServiceFrame frame);
  void OnWritten();
  void OnDown();

  bool connected() const;
  RpcLinkCounters counters() const;

 private:
  // Holds the lock, and calls the wire once it has let go of it: gRPC may answer from inside a
  // call.
  class ABSL_SCOPED_LOCKABLE Locked {
   public:
    explicit Locked(RpcLink* link) ABSL_EXCLUSIVE_LOCK_FUNCTION(link->mutex_);
    ~Locked() ABSL_UNLOCK_FUNCTION();

   private:
    RpcLink* const link_;
  };
  struct WireCalls {
    bool connect = false;
    bool cancel = false;
    std::optional<rpc::v1::EdgeFrame> write;
  };
  struct Queued {
    rpc::v1::LinkCall call;
    int64_t bytes;
    int64_t submitted_ms;
    int64_t deadline_ms;
    int64_t start_before_ms;
  };
  // Of a call that has not ended.
  enum class CallState : uint8_t { kQueued, kSent };

  void Do(LinkLifecycle::Action action) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TryWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeCalls(rpc::v1::EdgeFrame* frame, int64_t now_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fail(uint64_t call_id, const char* code, const char* message, const char* reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DispatchFailed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const RpcLinkOptions options_;
  const Clock& clock_;
  const std::string incarnation_;
  RpcWire& wire_;
  RpcDispatcher& dispatcher_;

  std::atomic<int64_t> consumed_{0};

  mutable absl::Mutex mutex_;
  WireCalls calls_to_wire_ ABSL_GUARDED_BY(mutex_);
  uint64_t stream_ ABSL_GUARDED_BY(mutex_) = 0;
  LinkLifecycle life_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool hello_due_ ABSL_GUARDED_BY(mutex_) = false;
  // In the order of Submit; those whose call is not in `calls_` any more are skipped.
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  int64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, CallState> calls_ ABSL_GUARDED_BY(mutex_);
  // Of this stream, not told to the service yet: no more than it has calls.
  std::vector<uint64_t> cancels_ ABSL_GUARDED_BY(mutex_);
  // Ends of calls that the link itself has found, to be dispatched before the lock is let go.
  RpcResults failed_ ABSL_GUARDED_BY(mutex_);
  RpcLinkCounters counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::edge
