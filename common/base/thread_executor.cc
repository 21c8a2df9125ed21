#include "common/base/thread_executor.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace covet {

using SteadyClock = std::chrono::steady_clock;

ThreadExecutor::ThreadExecutor(std::string name, int64_t tick_ms, std::function<void()> tick)
    : name_(std::move(name)),
      tick_ms_(tick_ms),
      tick_(std::move(tick)),
      thread_([this] { Run(); }) {}

ThreadExecutor::~ThreadExecutor() { Stop(); }

void ThreadExecutor::Post(std::function<void()> closure) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    first = closures_.empty();
    closures_.push_back(std::move(closure));
  }
  if (first) wake_.notify_one();
}

void ThreadExecutor::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ThreadExecutor::Run() {
  pthread_setname_np(pthread_self(), name_.c_str());
  const auto interval = std::chrono::milliseconds(tick_ms_);
  auto next_tick = SteadyClock::now() + interval;
  std::vector<std::function<void()>> batch;
  for (;;) {
    bool stopping;
    {
      std::unique_lock lock(mutex_);
      while (closures_.empty() && !stopping_ && SteadyClock::now() < next_tick) {
        wake_.wait_until(lock, next_tick);
      }
      batch.swap(closures_);
      stopping = stopping_;
    }
    for (auto& closure : batch) {
      closure();
      closure = nullptr;
    }
    const bool idle = batch.empty();
    batch.clear();
    if (stopping && idle) return;
    if (SteadyClock::now() >= next_tick) {
      if (!stopping) tick_();
      next_tick = SteadyClock::now() + interval;
    }
  }
}

}  // namespace covet
