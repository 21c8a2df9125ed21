#include <benchmark/benchmark.h>

#include <string>

#include "edge/transport/outbound_queue.h"

namespace covet::edge {
namespace {

// The common case of a delivery: one shared frame in, one out.
void BM_PushPop(benchmark::State& state) {
  const QueueLimits limits;
  OutboundQueue queue(&limits);
  const FramePtr frame = Frame::Text(std::string(200, 'x'), 10);
  Departure departure;
  for (auto _ : state) {
    queue.Push({.frame = frame, .droppable = true, .tag = 1}, 0);
    queue.Pop(0, &departure);
    queue.Release(departure.cost);
    departure.frame.reset();
  }
}
BENCHMARK(BM_PushPop);

// A reader that stands still: each message drops the oldest.
void BM_PushToFull(benchmark::State& state) {
  const QueueLimits limits;
  OutboundQueue queue(&limits);
  const FramePtr frame = Frame::Text(std::string(200, 'x'), 10);
  for (int i = 0; i < 6000; ++i) queue.Push({.frame = frame, .droppable = true, .tag = 1}, 0);
  for (auto _ : state) queue.Push({.frame = frame, .droppable = true, .tag = 1}, 0);
}
BENCHMARK(BM_PushToFull);

}  // namespace
}  // namespace covet::edge
