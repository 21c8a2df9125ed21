#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "covet/rpc/v1/link.pb.h"
#include "services/rpc/calls.h"

namespace covet::rpc {

// The calls of one edge's link, without the stream under it: starts what comes in, and queues
// results until the link takes them. Thread-safe. Held by its link and by every call under way.
//
// The queue of results. What is sent beyond the edge's credit waits; nothing is dropped. Calls are
// bounded by Calls, and while results of more than kMaxQueuedBytes wait no frame is read, so that
// the edge's own queue fills up and refuses.
class EdgeCalls : public std::enable_shared_from_this<EdgeCalls> {
 public:
  static constexpr int64_t kMaxQueuedBytes = 64 << 20;

  // `wake` is called, without a lock held, when there may be a frame to take or one may be read
  // again; not after Close.
  EdgeCalls(Calls& calls, std::string service_incarnation, std::function<void()> wake);

  // FAILED_PRECONDITION if the frame is not what the protocol wants.
  absl::Status OnFrame(const v1::EdgeFrame& frame);
  // What is to be written next; false if there is nothing.
  bool TakeFrame(v1::ServiceFrame* frame);
  // Whether so many results wait that nothing is to be read.
  bool full() const;
  // The link has ended: what is under way is cancelled, its results are dropped.
  void Close();

 private:
  static constexpr int64_t kMaxFrameBytes = 1 << 20;

  void Start(const v1::LinkCall& call);
  void Cancel(uint64_t call_id);
  void End(uint64_t call_id, backends::CallResult result);

  Calls& calls_;
  const std::string service_incarnation_;
  const std::function<void()> wake_;
  mutable absl::Mutex mutex_;
  bool greeted_ ABSL_GUARDED_BY(mutex_) = false;
  bool welcome_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool beat_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t credit_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<v1::LinkResult> results_ ABSL_GUARDED_BY(mutex_);
  // Under way; the call is null until it has been started.
  absl::flat_hash_map<uint64_t, std::shared_ptr<backends::BackendCall>> under_way_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::rpc
