#include <benchmark/benchmark.h>

#include <string>

#include "edge/frame/frame.h"

namespace covet::edge {
namespace {

std::string Event(size_t size) {
  std::string text =
      R"({"type":"room_event","id":"m_4fJx90aQ2k-1a","data":{"room_id":"project_123","payload":[)";
  for (size_t i = 0; text.size() < size; ++i) {
    text += R"({"user":"user_)" + std::to_string(i * 7919 % 10007) + R"(","value":)" +
            std::to_string(i * 31) + "},";
  }
  text.resize(size - 3);
  return text + "]}}";
}

void BM_BuildFrame(benchmark::State& state) {
  const std::string text = Event(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(Frame::Text(text, 50));
}
BENCHMARK(BM_BuildFrame)->Arg(200)->Arg(1024)->Arg(65536);

void BM_DeflateFrame(benchmark::State& state) {
  const std::string text = Event(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    const FramePtr frame = Frame::Text(text, 50);
    benchmark::DoNotOptimize(frame->deflated_wire());
    state.counters["ratio"] =
        static_cast<double>(frame->deflated_wire().size()) / frame->wire().size();
  }
}
BENCHMARK(BM_DeflateFrame)->Arg(1024)->Arg(4096)->Arg(65536);

void BM_SpliceHead(benchmark::State& state) {
  const FramePtr frame = Frame::Text(Event(static_cast<size_t>(state.range(0))), 50);
  std::string out;
  for (auto _ : state) {
    out.clear();
    frame->AppendSplicedHead("\"dropped\":3,", /*deflate=*/true, &out);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_SpliceHead)->Arg(200)->Arg(4096);

}  // namespace
}  // namespace covet::edge
