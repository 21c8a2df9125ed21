#include "services/streams/sources/host/host_source.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "common/payload/json_writer.h"
#include "services/streams/sources/host/host_sample.h"

namespace covet::streams::host {
namespace {

// CPU time is a difference; the first one need not be over a whole interval.
constexpr int64_t kFirstMs = 200;

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<HostCounters> ReadHost() {
  return ParseHost({.stat = ReadFile("/proc/stat"),
                    .meminfo = ReadFile("/proc/meminfo"),
                    .loadavg = ReadFile("/proc/loadavg"),
                    .net_dev = ReadFile("/proc/net/dev"),
                    .diskstats = ReadFile("/proc/diskstats")});
}

class HostRun final : public SourceRun {
 public:
  HostRun(int64_t interval_ms, const Clock& clock, MoreMembers more,
          std::shared_ptr<SourceSink> sink)
      : interval_ms_(interval_ms),
        clock_(clock),
        more_(std::move(more)),
        sink_(std::move(sink)),
        thread_([this] { Run(); }) {}

  ~HostRun() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  void Run() {
    std::optional<HostCounters> before = ReadHost();
    int64_t before_us = clock_.SteadyMicros();
    if (!before) return sink_->Fail(absl::UnavailableError("/proc cannot be read"));
    sink_->SetLive();
    sink_->SetLag({.ms = 0});
    auto due = std::chrono::steady_clock::now();
    for (int64_t wait_ms = std::min(kFirstMs, interval_ms_);; wait_ms = interval_ms_) {
      due = std::max(due + std::chrono::milliseconds(wait_ms), std::chrono::steady_clock::now());
      if (!WaitUntil(due)) return;
      const std::optional<HostCounters> now = ReadHost();
      const int64_t now_us = clock_.SteadyMicros();
      if (!now) return sink_->Fail(absl::UnavailableError("/proc cannot be read"));
      std::string json = "{";
      payload::AppendTimeMember(&json, "timestamp", clock_.WallMillis());
      AppendHostMembers(*before, *now, static_cast<double>(now_us - before_us) * 1e-6, &json);
      if (more_) sink_->SetTrouble(more_(&json));
      json.push_back('}');
      before = now;
      before_us = now_us;
      RecordBuffer records(clock_.WallMillis());
      if (absl::Status added = records.Add(json); !added.ok()) return sink_->Fail(added);
      sink_->Append(std::move(records));
    }
  }

  // False when the run is to end.
  bool WaitUntil(std::chrono::steady_clock::time_point due) {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (wake_.wait_until(lock, due) == std::cv_status::timeout) break;
    }
    return !stopping_;
  }

  const int64_t interval_ms_;
  const Clock& clock_;
  const MoreMembers more_;
  const std::shared_ptr<SourceSink> sink_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class HostSource final : public Source {
 public:
  HostSource(int64_t interval_ms, const Clock& clock, std::function<MoreMembers()> more)
      : interval_ms_(interval_ms), clock_(clock), more_(std::move(more)) {}

  SourceTraits traits() const override { return {}; }

  std::unique_ptr<SourceRun> Start(SourceStart, std::shared_ptr<SourceSink> sink) override {
    return std::make_unique<HostRun>(interval_ms_, clock_, more_ ? more_() : nullptr,
                                     std::move(sink));
  }

 private:
  const int64_t interval_ms_;
  const Clock& clock_;
  const std::function<MoreMembers()> more_;
};

}  // namespace

std::shared_ptr<Source> MakeHostSource(int64_t interval_ms, const Clock& clock,
                                       std::function<MoreMembers()> more) {
  return std::make_shared<HostSource>(interval_ms, clock, std::move(more));
}

}  // namespace covet::streams::host
