#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "edge/rpc/rpc_gateway.h"
#include "edge/rpc/rpc_link.h"
#include "edge/transport/edge_thread.h"

namespace covet::edge {

// The calls that sessions of one edge thread have under way, and their timeouts. Used on that
// thread; `running` is counted for whoever drains.
class ThreadCalls final : public RpcGateway {
 public:
  // `thread_index` is below 65,536. All must outlive this.
  ThreadCalls(uint32_t thread_index, const Clock& clock, RpcLink& link,
              std::atomic<int64_t>& running)
      : next_call_((uint64_t{thread_index} << kCallThreadShift) + 1),
        clock_(clock),
        link_(link),
        running_(running) {}

  // Whose timers it uses. Once, before the first call; the thread is stopped before this ends.
  void Bind(EdgeThread* thread) { thread_ = thread; }

  uint64_t NextCall() override { return next_call_++; }
  bool Start(uint64_t call, CallParams params, std::function<void(CallOutcome)> done) override;
  void Cancel(uint64_t call) override;

  // Results of this thread's calls.
  void OnResults(RpcResults& results);

  // Calls that ran out of time here. Thread-safe.
  int64_t timeouts() const { return timeouts_.load(std::memory_order_relaxed); }

 private:
  struct Call {
    int64_t deadline_ms;
    std::function<void(CallOutcome)> done;
  };

  // Ends a call that runs, and gives what is to be told. Null if it has ended.
  std::function<void(CallOutcome)> Take(uint64_t call);
  void ArmTimer(int64_t now_ms);
  void OnTimer();

  uint64_t next_call_;
  const Clock& clock_;
  RpcLink& link_;
  std::atomic<int64_t>& running_;
  EdgeThread* thread_ = nullptr;
  absl::flat_hash_map<uint64_t, Call> calls_;
  absl::btree_set<std::pair<int64_t, uint64_t>> deadlines_;
  int64_t armed_ms_ = 0;  // When the earliest timer runs out; 0 if none is set.
  std::atomic<int64_t> timeouts_{0};
};

}  // namespace covet::edge
