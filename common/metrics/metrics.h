#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Metrics for Prometheus. Names are `covet_…` in base units and end in `_total` (counters),
// `_seconds` or `_bytes` (whatever is a time or a size); gauges that count things are plain nouns.
// No label holds a user, room, session, stream or resource id: only values of a small fixed set.
namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace covet::metrics {

using Labels = std::map<std::string, std::string>;

// Handles are small values that point into their registry, which must outlive them. Copies share
// the metric. A default-constructed handle drops what it is given. Thread-safe.
class Counter {
 public:
  Counter() = default;
  explicit Counter(prometheus::Counter* impl) : impl_(impl) {}
  void Add(double amount = 1) const;
  double Value() const;

 private:
  prometheus::Counter* impl_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  explicit Gauge(prometheus::Gauge* impl) : impl_(impl) {}
  void Set(double value) const;
  void Add(double amount) const;
  double Value() const;

 private:
  prometheus::Gauge* impl_ = nullptr;
};

// Observe takes a mutex; per-message observations belong in a LocalHistogram.
class Histogram {
 public:
  Histogram() = default;
  Histogram(prometheus::Histogram* impl, std::shared_ptr<const std::vector<double>> bounds)
      : impl_(impl), bounds_(std::move(bounds)) {}
  void Observe(double value) const;
  // The number of observations so far.
  uint64_t Count() const;

 private:
  friend class LocalHistogram;
  prometheus::Histogram* impl_ = nullptr;
  std::shared_ptr<const std::vector<double>> bounds_;
};

// A counter of one thread: Add is one addition; Flush (and the destructor) hands the sum on. Flush
// once per turn of the event loop or per batch. Not thread-safe.
class LocalCounter {
 public:
  LocalCounter() = default;
  explicit LocalCounter(Counter target) : target_(target) {}
  LocalCounter(LocalCounter&& other) noexcept : target_(other.target_), pending_(other.pending_) {
    other.pending_ = 0;
  }
  LocalCounter& operator=(LocalCounter&&) = delete;
  ~LocalCounter() { Flush(); }
  void Add(int64_t amount = 1) { pending_ += amount; }
  void Flush() {
    if (pending_ == 0) return;
    target_.Add(static_cast<double>(pending_));
    pending_ = 0;
  }

 private:
  Counter target_;
  int64_t pending_ = 0;
};

// The same for a histogram.
class LocalHistogram {
 public:
  LocalHistogram() = default;
  explicit LocalHistogram(Histogram target);
  LocalHistogram(LocalHistogram&& other) noexcept;
  LocalHistogram& operator=(LocalHistogram&&) = delete;
  ~LocalHistogram() { Flush(); }
  void Observe(double value);
  void Flush();

 private:
  Histogram target_;
  std::vector<double> counts_;
  double sum_ = 0;
  bool dirty_ = false;
};

// Ends a callback metric when it goes: no call of the function begins after the destructor
// returned.
class CallbackRegistration {
 public:
  CallbackRegistration() = default;
  explicit CallbackRegistration(std::function<void()> remove) : remove_(std::move(remove)) {}
  CallbackRegistration(CallbackRegistration&& other) noexcept
      : remove_(std::exchange(other.remove_, nullptr)) {}
  CallbackRegistration& operator=(CallbackRegistration&& other) noexcept {
    if (this != &other) {
      Reset();
      remove_ = std::exchange(other.remove_, nullptr);
    }
    return *this;
  }
  ~CallbackRegistration() { Reset(); }
  void Reset() {
    if (remove_) std::exchange(remove_, nullptr)();
  }

 private:
  std::function<void()> remove_;
};

// `count` bounds from `start`, each `factor` times the one before.
std::vector<double> ExponentialBuckets(double start, double factor, int count);
// 100 µs to 10 s, for calls between processes.
const std::vector<double>& LatencyBuckets();
// 64 bytes to 16 MiB.
const std::vector<double>& SizeBuckets();

// What a metric is, without its values.
struct MetricInfo {
  std::string name;
  std::string help;
  std::string type;  // counter, gauge, histogram
  std::vector<std::string> label_names;
};

// The metrics of one process. The same name and labels give the same metric; the same name with
// another help or type is a bug and ends the process. Thread-safe.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram AddHistogram(const std::string& name, const std::string& help,
                         const std::vector<double>& bounds, const Labels& labels = {});
  // A gauge or counter whose value is asked for at each scrape, on the scraping thread: `read` must
  // be thread-safe and quick.
  [[nodiscard]] CallbackRegistration AddCallbackGauge(const std::string& name,
                                                      const std::string& help, const Labels& labels,
                                                      std::function<double()> read);
  [[nodiscard]] CallbackRegistration AddCallbackCounter(const std::string& name,
                                                        const std::string& help,
                                                        const Labels& labels,
                                                        std::function<double()> read);

  // The Prometheus text format 0.0.4.
  std::string TextExposition() const;
  // Everything registered, by name.
  std::vector<MetricInfo> List() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace covet::metrics
