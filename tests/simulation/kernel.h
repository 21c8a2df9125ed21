#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/id_generator.h"

namespace covet::sim {

// Virtual time and everything that happens in it: one queue of closures, by time, then by age. A
// run is a function of its seed, as its digest shows.
class Kernel final : public Clock {
 public:
  explicit Kernel(uint64_t seed) : random_(seed) {}

  int64_t WallMillis() const override { return kEpochMs + wall_offset_ms_ + now_us_ / 1000; }
  int64_t SteadyMicros() const override { return now_us_; }

  void At(int64_t time_us, std::function<void()> closure) {
    queue_.push({time_us < now_us_ ? now_us_ : time_us, next_++, std::move(closure)});
  }
  void After(int64_t delay_us, std::function<void()> closure) {
    At(now_us_ + delay_us, std::move(closure));
  }

  // Runs what happens until `time_us`.
  void RunUntil(int64_t time_us) {
    while (!queue_.empty() && queue_.top().time_us <= time_us) {
      // The closure is moved out before it runs: it may push more.
      Event event = std::move(const_cast<Event&>(queue_.top()));
      queue_.pop();
      now_us_ = event.time_us;
      Mix(event.age);
      event.closure();
    }
    now_us_ = time_us;
  }

  // As when someone sets the machine's time.
  void JumpWall(int64_t ms) { wall_offset_ms_ += ms; }

  // Uniform in [low, high].
  int64_t Random(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.Random64() % static_cast<uint64_t>(high - low + 1));
  }
  bool Chance(int percent) { return Random(0, 99) < percent; }

  // Of when everything happened and what was noted: what users saw.
  uint64_t digest() const { return digest_; }
  void Note(std::string_view seen) {
    for (const char c : seen) Mix(static_cast<unsigned char>(c));
  }
  IdGenerator& ids() { return random_; }

 private:
  // FNV-1a, over words.
  void Mix(uint64_t value) {
    digest_ = (digest_ ^ value ^ (static_cast<uint64_t>(now_us_) << 20)) * 0x100000001b3ULL;
  }

  static constexpr int64_t kEpochMs = 1'760'000'000'000;

  struct Event {
    int64_t time_us;
    uint64_t age;
    std::function<void()> closure;
    bool operator<(const Event& other) const {
      return time_us != other.time_us ? time_us > other.time_us : age > other.age;
    }
  };
  std::priority_queue<Event> queue_;
  int64_t now_us_ = 0;
  int64_t wall_offset_ms_ = 0;
  uint64_t next_ = 0;
  uint64_t digest_ = 0xcbf29ce484222325ULL;
  SeededIds random_;
};

// A thread: closures in order, each some microseconds after it was posted. What is left when it
// ends never runs.
class Thread final : public Executor {
 public:
  Thread(Kernel& kernel, int64_t max_delay_us) : kernel_(kernel), max_delay_us_(max_delay_us) {}

  void Post(std::function<void()> closure) override {
    last_us_ = std::max(last_us_, kernel_.SteadyMicros() + kernel_.Random(0, max_delay_us_));
    kernel_.At(last_us_, [alive = std::weak_ptr<bool>(alive_), closure = std::move(closure)] {
      if (!alive.expired()) closure();
    });
  }

 private:
  Kernel& kernel_;
  const int64_t max_delay_us_;
  int64_t last_us_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace covet::sim
