#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/thread_executor.h"
#include "common/server/call_authenticator.h"

namespace covet::server {

// The streaming calls of users, each of which ends when the credential does that it began with: a
// token or key expires, a key is withdrawn or changed. Calls of peers are not here, for a peer
// itself sees to when its users end. Owns a thread. Thread-safe.
class OpenCalls {
 public:
  static constexpr int64_t kReviewMs = 500;

  // One call, until this goes. Calls under way to `end` may still end then.
  class Entry {
   public:
    Entry() = default;
    Entry(Entry&& other) noexcept : calls_(std::exchange(other.calls_, nullptr)), id_(other.id_) {}
    Entry& operator=(Entry&& other) noexcept {
      std::swap(calls_, other.calls_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~Entry() {
      if (calls_ != nullptr) calls_->Remove(id_);
    }

   private:
    friend class OpenCalls;
    Entry(OpenCalls* calls, uint64_t id) : calls_(calls), id_(id) {}
    OpenCalls* calls_ = nullptr;
    uint64_t id_ = 0;
  };

  // `authenticator` must outlive this, and this every Entry.
  explicit OpenCalls(CallAuthenticator& authenticator, int64_t review_ms = kReviewMs)
      : authenticator_(authenticator), thread_("calls-review", review_ms, [this] { Review(); }) {}

  // `end` runs at most once, on this object's thread, with why the credential no longer holds. It
  // must not block, and must stand the end of the call.
  [[nodiscard]] Entry Add(Caller caller, std::function<void(absl::Status)> end);

 private:
  struct Call {
    Caller caller;
    std::function<void(absl::Status)> end;
  };

  void Review();
  void Remove(uint64_t id);

  CallAuthenticator& authenticator_;
  std::mutex mutex_;
  std::map<uint64_t, Call> calls_ ABSL_GUARDED_BY(mutex_);  // As many as streams are open.
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  ThreadExecutor thread_;
};

}  // namespace covet::server
