#include <benchmark/benchmark.h>

#include <string>

#include "common/limits/gcra.h"
#include "common/limits/memory_budget.h"
#include "common/limits/rate_limiter.h"

namespace covet::limits {
namespace {

void BM_GcraTake(benchmark::State& state) {
  const Rate rate = Rate::Of(1000, absl::Seconds(1));
  Gcra gcra;
  int64_t now_us = 0;
  for (auto _ : state) benchmark::DoNotOptimize(gcra.Take(rate, now_us += 900));
}
BENCHMARK(BM_GcraTake);

void BM_RateLimiterTake(benchmark::State& state) {
  static RateLimiter limiter;
  const Rate rate = Rate::Of(1000, absl::Seconds(1));
  const std::string key = "user_" + std::to_string(state.thread_index());
  int64_t now_us = 0;
  for (auto _ : state) benchmark::DoNotOptimize(limiter.Take(key, rate, now_us += 900));
}
BENCHMARK(BM_RateLimiterTake)->ThreadRange(1, 2);

void BM_MemoryBudgetAdd(benchmark::State& state) {
  static MemoryBudget budget(int64_t{1} << 33);
  for (auto _ : state) {
    budget.Add(300);
    benchmark::DoNotOptimize(budget.level());
    budget.Add(-300);
  }
}
BENCHMARK(BM_MemoryBudgetAdd)->ThreadRange(1, 2);

}  // namespace
}  // namespace covet::limits
