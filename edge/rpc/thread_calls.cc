#include "edge/rpc/thread_calls.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"

namespace covet::edge {
namespace {

CallOutcome OutcomeOf(rpc::v1::LinkResult& result) {
  CallOutcome outcome;
  if (!result.has_error()) {
    outcome.json = std::move(*result.mutable_result());
    return outcome;
  }
  rpc::v1::LinkError& error = *result.mutable_error();
  outcome.code = std::move(*error.mutable_code());
  outcome.message = std::move(*error.mutable_message());
  outcome.json = std::move(*error.mutable_details());
  return outcome;
}

}  // namespace

bool ThreadCalls::Start(uint64_t call, CallParams params, std::function<void(CallOutcome)> done) {
  const int64_t now = clock_.SteadyMillis();
  const int64_t deadline = now + params.timeout_ms;
  rpc::v1::LinkCall request;
  request.set_call_id(call);
  *request.mutable_identity() = *params.identity;
  request.set_correlation_id(std::move(params.correlation_id));
  request.set_method(std::move(params.method));
  request.set_params(std::move(params.params));
  // Known before it is submitted: results come by a post to this thread, never from inside.
  calls_.emplace(call, Call{deadline, std::move(done)});
  deadlines_.emplace(deadline, call);
  if (!link_.Submit(std::move(request), deadline, params.ttl_ms == 0 ? 0 : now + params.ttl_ms)) {
    deadlines_.erase({deadline, call});
    calls_.erase(call);
    return false;
  }
  running_.fetch_add(1, std::memory_order_relaxed);
  ArmTimer(now);
  return true;
}

void ThreadCalls::Cancel(uint64_t call) {
  if (Take(call)) link_.Cancel(call);
}

void ThreadCalls::OnResults(RpcResults& results) {
  int64_t bytes = 0;
  for (rpc::v1::LinkResult& result : results) {
    bytes += static_cast<int64_t>(result.ByteSizeLong());
    if (auto done = Take(result.call_id())) done(OutcomeOf(result));
  }
  link_.Consume(bytes);
}

std::function<void(CallOutcome)> ThreadCalls::Take(uint64_t call) {
  const auto it = calls_.find(call);
  if (it == calls_.end()) return nullptr;
  std::function<void(CallOutcome)> done = std::move(it->second.done);
  deadlines_.erase({it->second.deadline_ms, call});
  calls_.erase(it);
  running_.fetch_sub(1, std::memory_order_relaxed);
  return done;
}

// Calls mostly end long before their time: a timer is set only where none runs out before.
void ThreadCalls::ArmTimer(int64_t now_ms) {
  if (deadlines_.empty()) return;
  const int64_t first = deadlines_.begin()->first;
  if (armed_ms_ != 0 && armed_ms_ <= first) return;
  armed_ms_ = first;
  thread_->RunAfter(std::chrono::milliseconds(std::max<int64_t>(first - now_ms, 1)),
                    [this] { OnTimer(); });
}

void ThreadCalls::OnTimer() {
  const int64_t now = clock_.SteadyMillis();
  armed_ms_ = 0;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const uint64_t call = deadlines_.begin()->second;
    const auto done = Take(call);
    link_.Cancel(call);
    timeouts_.fetch_add(1, std::memory_order_relaxed);
    done({.code = "RPC_TIMEOUT", .message = "The call took longer than its timeout", .json = ""});
  }
  ArmTimer(now);
}

}  // namespace covet::edge
