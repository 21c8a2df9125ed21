#include "edge/rpc/rpc_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace covet::edge {
namespace {

using rpc::v1::EdgeFrame;
using rpc::v1::LinkCall;
using rpc::v1::LinkResult;
using rpc::v1::ServiceFrame;

constexpr int kLinkVersion = 1;
constexpr int64_t kMaxFrameBytes = 1 << 20;

}  // namespace

RpcLink::RpcLink(RpcLinkOptions options, const Clock& clock, IdGenerator& ids, RpcWire& wire,
                 RpcDispatcher& dispatcher)
    : options_(std::move(options)),
      clock_(clock),
      incarnation_(ids.NewId("")),
      wire_(wire),
      dispatcher_(dispatcher),
      life_(options_.times) {}

RpcLink::Locked::Locked(RpcLink* link) : link_(link) { link_->mutex_.Lock(); }

RpcLink::Locked::~Locked() {
  link_->DispatchFailed();
  WireCalls calls = std::exchange(link_->calls_to_wire_, {});
  if (calls.connect) ++link_->stream_;
  const uint64_t stream = link_->stream_;
  link_->mutex_.Unlock();
  if (calls.connect) link_->wire_.Connect(stream);
  if (calls.write.has_value()) link_->wire_.Write(stream, *std::move(calls.write));
  if (calls.cancel) link_->wire_.Cancel(stream);
}

void RpcLink::Do(LinkLifecycle::Action action) {
  if (action == LinkLifecycle::Action::kConnect) calls_to_wire_.connect = true;
  if (action == LinkLifecycle::Action::kCancel) calls_to_wire_.cancel = true;
}

void RpcLink::Start() {
  const Locked lock(this);
  Do(life_.Start(clock_.SteadyMillis()));
}

void RpcLink::Stop() {
  const Locked lock(this);
  Do(life_.Stop());
}

void RpcLink::Tick() {
  const Locked lock(this);
  const int64_t now = clock_.SteadyMillis();
  Do(life_.Tick(now));
  if (life_.beat_due(now)) TryWrite();
  // A service that is there is slow to take more, not away: then only deadlines end what waits.
  if (life_.answered()) return;
  while (!queue_.empty()) {
    const Queued& front = queue_.front();
    const int64_t since = std::max(front.submitted_ms, life_.away_since_ms());
    const auto known = calls_.find(front.call.call_id());
    if (known != calls_.end()) {
      if (now - since < options_.away_timeout_ms) break;
      ++counters_.not_sent;
      Fail(known->first, "UNAVAILABLE", "The rpc service does not answer", "NOT_STARTED");
    }
    queued_bytes_ -= front.bytes;
    queue_.pop_front();
  }
}

bool RpcLink::Submit(LinkCall call, int64_t deadline_ms, int64_t start_before_ms) {
  const auto bytes = static_cast<int64_t>(call.ByteSizeLong());
  const Locked lock(this);
  if (life_.stopped() || queue_.size() >= options_.max_queued_calls ||
      queued_bytes_ + bytes > options_.max_queued_bytes) {
    ++counters_.refused;
    return false;
  }
  calls_.emplace(call.call_id(), CallState::kQueued);
  queued_bytes_ += bytes;
  queue_.push_back({std::move(call), bytes, clock_.SteadyMillis(), deadline_ms, start_before_ms});
  TryWrite();
  return true;
}

void RpcLink::Cancel(uint64_t call_id) {
  const Locked lock(this);
  const auto known = calls_.find(call_id);
  if (known == calls_.end()) return;
  ++counters_.cancelled;
  const bool sent = known->second == CallState::kSent;
  calls_.erase(known);
  if (!sent) return;
  cancels_.push_back(call_id);
  TryWrite();
}

void RpcLink::Consume(int64_t bytes) {
  const int64_t worth = options_.credit_bytes / 8;
  if (consumed_.fetch_add(bytes, std::memory_order_relaxed) + bytes < worth) return;
  const Locked lock(this);
  TryWrite();
}

void RpcLink::OnUp() {
  const Locked lock(this);
  Do(life_.OnUp(clock_.SteadyMillis()));
  if (life_.stopped()) return;
  ++counters_.connects;
  hello_due_ = true;
  // The hello grants a full window, whatever is still being consumed: a little more than that may
  // be on its way.
  consumed_ = 0;
  TryWrite();
}

void RpcLink::OnWritten() {
  const Locked lock(this);
  writing_ = false;
  TryWrite();
}

void RpcLink::OnDown() {
  const Locked lock(this);
  writing_ = false;
  cancels_.clear();
  life_.OnDown(clock_.SteadyMillis());
  std::vector<uint64_t> lost;
  for (const auto& [call_id, state] : calls_) {
    if (state == CallState::kSent) lost.push_back(call_id);
  }
  counters_.lost += static_cast<int64_t>(lost.size());
  for (const uint64_t call_id : lost) {
    Fail(call_id, "UNAVAILABLE",
         "The rpc service went away; whether the call took effect is not known", "OUTCOME_UNKNOWN");
  }
}

void RpcLink::TryWrite() {
  if (!life_.up() || writing_) return;
  const int64_t now = clock_.SteadyMillis();
  const bool beat = life_.beat_due(now);
  const bool credit =
      consumed_.load(std::memory_order_relaxed) >= options_.credit_bytes / 8 || hello_due_;
  if (queue_.empty() && cancels_.empty() && !credit && !beat) return;
  EdgeFrame frame;
  if (std::exchange(hello_due_, false)) {
    rpc::v1::EdgeHello* hello = frame.mutable_hello();
    hello->set_incarnation(incarnation_);
    hello->set_edge(options_.edge_name);
    hello->set_version(kLinkVersion);
    hello->set_credit_bytes(options_.credit_bytes);
  }
  TakeCalls(&frame, now);
  frame.mutable_cancels()->Add(cancels_.begin(), cancels_.end());
  cancels_.clear();
  frame.set_credit_bytes(consumed_.exchange(0));
  frame.set_beat(beat);
  if (beat) life_.NoteBeat(now);
  writing_ = true;
  ++counters_.frames_out;
  calls_to_wire_.write = std::move(frame);
}

void RpcLink::TakeCalls(EdgeFrame* frame, int64_t now_ms) {
  int64_t bytes = 0;
  while (!queue_.empty()) {
    Queued& next = queue_.front();
    // One that is larger than a frame goes alone.
    if (bytes > 0 && bytes + next.bytes > kMaxFrameBytes) break;
    const uint64_t call_id = next.call.call_id();
    queued_bytes_ -= next.bytes;
    if (const auto known = calls_.find(call_id); known == calls_.end()) {
      // Cancelled while it waited.
    } else if (now_ms >= next.deadline_ms) {
      // Its thread has ended it, or is about to.
      calls_.erase(known);
    } else if (next.start_before_ms != 0 && now_ms > next.start_before_ms) {
      ++counters_.not_sent;
      Fail(call_id, "RPC_TIMEOUT", "The call's ttl passed before it could be started",
           "TTL_EXPIRED");
    } else {
      known->second = CallState::kSent;
      bytes += next.bytes;
      next.call.set_timeout_ms(next.deadline_ms - now_ms);
      *frame->add_calls() = std::move(next.call);
      ++counters_.calls;
    }
    queue_.pop_front();
  }
}

void RpcLink::OnFrame(ServiceFrame frame) {
  std::vector<std::shared_ptr<RpcResults>> by_thread;
  int64_t unwanted = 0;
  {
    const Locked lock(this);
    life_.OnFrame(clock_.SteadyMillis());
    ++counters_.frames_in;
    for (LinkResult& result : *frame.mutable_results()) {
      const auto known = calls_.find(result.call_id());
      if (known == calls_.end()) {
        unwanted += static_cast<int64_t>(result.ByteSizeLong());
        continue;
      }
      calls_.erase(known);
      const uint32_t thread = ThreadOfCall(result.call_id());
      if (thread >= by_thread.size()) by_thread.resize(thread + 1);
      if (!by_thread[thread]) by_thread[thread] = std::make_shared<RpcResults>();
      by_thread[thread]->push_back(std::move(result));
    }
    for (uint32_t i = 0; i < by_thread.size(); ++i) {
      if (by_thread[i]) dispatcher_.Dispatch(i, std::move(by_thread[i]));
    }
  }
  if (unwanted > 0) Consume(unwanted);
}

void RpcLink::Fail(uint64_t call_id, const char* code, const char* message, const char* reason) {
  calls_.erase(call_id);
  LinkResult& result = failed_.emplace_back();
  result.set_call_id(call_id);
  result.mutable_error()->set_code(code);
  result.mutable_error()->set_message(message);
  result.mutable_error()->set_details(absl::StrCat("{\"reason\":\"", reason, "\"}"));
}

void RpcLink::DispatchFailed() {
  for (LinkResult& result : failed_) {
    const uint32_t thread = ThreadOfCall(result.call_id());
    dispatcher_.Dispatch(thread, std::make_shared<RpcResults>(1, std::move(result)));
  }
  failed_.clear();
}

bool RpcLink::connected() const {
  const absl::MutexLock lock(&mutex_);
  return life_.answered();
}

RpcLinkCounters RpcLink::counters() const {
  const absl::MutexLock lock(&mutex_);
  return counters_;
}

}  // namespace covet::edge
