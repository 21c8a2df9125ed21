#include "services/rpc/edge_calls.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace covet::rpc {
namespace {

constexpr int kLinkVersion = 1;

}  // namespace

EdgeCalls::EdgeCalls(Calls& calls, std::string service_incarnation, std::function<void()> wake)
    : calls_(calls), service_incarnation_(std::move(service_incarnation)), wake_(std::move(wake)) {}

absl::Status EdgeCalls::OnFrame(const v1::EdgeFrame& frame) {
  {
    const absl::MutexLock lock(&mutex_);
    if (frame.has_hello()) {
      if (greeted_) return absl::FailedPreconditionError("a second hello");
      if (frame.hello().version() != kLinkVersion) {
        return absl::FailedPreconditionError("another version of the link's protocol");
      }
      greeted_ = welcome_due_ = true;
      credit_ = frame.hello().credit_bytes();
    }
    if (!greeted_) return absl::FailedPreconditionError("no hello");
    credit_ += frame.credit_bytes();
    beat_due_ |= frame.beat();
  }
  for (const v1::LinkCall& call : frame.calls()) Start(call);
  for (const uint64_t call_id : frame.cancels()) Cancel(call_id);
  wake_();
  return absl::OkStatus();
}

void EdgeCalls::Start(const v1::LinkCall& call) {
  const uint64_t call_id = call.call_id();
  {
    const absl::MutexLock lock(&mutex_);
    if (closed_ || !under_way_.emplace(call_id, nullptr).second) return;
  }
  std::shared_ptr<backends::BackendCall> started =
      calls_.Start({.identity = call.identity(),
                    .correlation_id = call.correlation_id(),
                    .method = call.method(),
                    .params = call.params(),
                    .timeout_ms = call.timeout_ms()},
                   [self = shared_from_this(), call_id](backends::CallResult result) {
                     self->End(call_id, std::move(result));
                   });
  if (started == nullptr) return;
  {
    const absl::MutexLock lock(&mutex_);
    const auto it = under_way_.find(call_id);
    if (it != under_way_.end()) {
      it->second = std::move(started);
      return;
    }
    if (!closed_) return;  // It has ended.
  }
  started->Cancel();
}

void EdgeCalls::Cancel(uint64_t call_id) {
  std::shared_ptr<backends::BackendCall> call;
  {
    const absl::MutexLock lock(&mutex_);
    const auto it = under_way_.find(call_id);
    if (it == under_way_.end()) return;
    call = std::move(it->second);
    under_way_.erase(it);
  }
  if (call != nullptr) call->Cancel();
}

void EdgeCalls::End(uint64_t call_id, backends::CallResult result) {
  {
    const absl::MutexLock lock(&mutex_);
    if (under_way_.erase(call_id) == 0) return;  // Cancelled: nobody waits for it.
    v1::LinkResult& ended = results_.emplace_back();
    ended.set_call_id(call_id);
    if (auto* json = std::get_if<std::string>(&result)) {
      *ended.mutable_result() = std::move(*json);
    } else {
      auto& error = std::get<backends::CallError>(result);
      v1::LinkError& told = *ended.mutable_error();
      *told.mutable_code() = std::move(error.code);
      *told.mutable_message() = std::move(error.message);
      *told.mutable_details() = std::move(error.details);
      told.set_retry_after_ms(error.retry_after_ms);
    }
    queued_bytes_ += static_cast<int64_t>(ended.ByteSizeLong());
  }
  wake_();
}

bool EdgeCalls::TakeFrame(v1::ServiceFrame* frame) {
  const absl::MutexLock lock(&mutex_);
  if (closed_ || (results_.empty() && !welcome_due_ && !beat_due_)) return false;
  frame->Clear();
  if (std::exchange(welcome_due_, false)) {
    frame->mutable_welcome()->set_service_incarnation(service_incarnation_);
  }
  frame->set_beat(std::exchange(beat_due_, false));
  int64_t bytes = 0;
  // Any credit is enough for a result of any size; one that is larger than a frame goes alone.
  while (!results_.empty() && credit_ > 0) {
    const auto size = static_cast<int64_t>(results_.front().ByteSizeLong());
    if (bytes > 0 && bytes + size > kMaxFrameBytes) break;
    bytes += size;
    credit_ -= size;
    queued_bytes_ -= size;
    *frame->add_results() = std::move(results_.front());
    results_.pop_front();
  }
  return frame->has_welcome() || frame->beat() || frame->results_size() > 0;
}

bool EdgeCalls::full() const {
  const absl::MutexLock lock(&mutex_);
  return queued_bytes_ > kMaxQueuedBytes;
}

void EdgeCalls::Close() {
  std::vector<std::shared_ptr<backends::BackendCall>> calls;
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    for (auto& [call_id, call] : under_way_) {
      if (call != nullptr) calls.push_back(std::move(call));
    }
    under_way_.clear();
    results_.clear();
  }
  for (const auto& call : calls) call->Cancel();
}

}  // namespace covet::rpc
