#include "common/metrics/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>

namespace covet::metrics {

void Counter::Add(double amount) const {
  if (impl_ != nullptr) impl_->Increment(amount);
}
double Counter::Value() const { return impl_ == nullptr ? 0 : impl_->Value(); }

void Gauge::Set(double value) const {
  if (impl_ != nullptr) impl_->Set(value);
}
void Gauge::Add(double amount) const {
  if (impl_ != nullptr) impl_->Increment(amount);
}
double Gauge::Value() const { return impl_ == nullptr ? 0 : impl_->Value(); }

void Histogram::Observe(double value) const {
  if (impl_ != nullptr) impl_->Observe(value);
}
uint64_t Histogram::Count() const {
  return impl_ == nullptr ? 0 : impl_->Collect().histogram.sample_count;
}

LocalHistogram::LocalHistogram(Histogram target) : target_(std::move(target)) {
  if (target_.bounds_) counts_.resize(target_.bounds_->size() + 1);
}

LocalHistogram::LocalHistogram(LocalHistogram&& other) noexcept
    : target_(other.target_),
      counts_(std::move(other.counts_)),
      sum_(other.sum_),
      dirty_(std::exchange(other.dirty_, false)) {}

void LocalHistogram::Observe(double value) {
  if (counts_.empty()) return;
  const auto& bounds = *target_.bounds_;
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  counts_[static_cast<size_t>(bucket)] += 1;
  sum_ += value;
  dirty_ = true;
}

void LocalHistogram::Flush() {
  if (!dirty_) return;
  target_.impl_->ObserveMultiple(counts_, sum_);
  std::fill(counts_.begin(), counts_.end(), 0.0);
  sum_ = 0;
  dirty_ = false;
}

std::vector<double> ExponentialBuckets(double start, double factor, int count) {
  std::vector<double> bounds;
  for (double bound = start; count-- > 0; bound *= factor) bounds.push_back(bound);
  return bounds;
}

const std::vector<double>& LatencyBuckets() {
  static const std::vector<double> bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                          0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                          1,      2.5,     5,      10};
  return bounds;
}

const std::vector<double>& SizeBuckets() {
  static const std::vector<double> bounds = ExponentialBuckets(64, 4, 10);
  return bounds;
}

class Registry::Impl {
 public:
  // Checks that `name` is new or the same as before, and remembers it.
  void Declare(const std::string& name, const std::string& help, const char* type,
               const Labels& labels) {
    auto [it, inserted] = infos_.try_emplace(name, MetricInfo{name, help, type, {}});
    if (!inserted && (it->second.help != help || it->second.type != type)) {
      std::fprintf(stderr, "metric %s is declared twice and differently\n", name.c_str());
      std::abort();
    }
    for (const auto& [label, value] : labels) {
      auto& names = it->second.label_names;
      if (std::find(names.begin(), names.end(), label) == names.end()) names.push_back(label);
    }
  }

  CallbackRegistration AddCallback(std::shared_ptr<Impl> self, const std::string& name,
                                   const std::string& help, const char* type, const Labels& labels,
                                   std::function<double()> read) {
    std::lock_guard lock(mutex_);
    Declare(name, help, type, labels);
    const uint64_t id = next_callback_++;
    {
      std::lock_guard callbacks_lock(callbacks_mutex_);
      callbacks_.emplace(id, Callback{name, labels, std::move(read)});
    }
    return CallbackRegistration([self = std::move(self), id] {
      std::lock_guard callbacks_lock(self->callbacks_mutex_);
      self->callbacks_.erase(id);
    });
  }

  std::vector<prometheus::MetricFamily> Collect() {
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    std::map<std::string, prometheus::MetricFamily> called;
    std::map<std::string, MetricInfo> infos = Infos();
    std::lock_guard lock(callbacks_mutex_);
    for (const auto& [id, callback] : callbacks_) {
      const MetricInfo& info = infos.at(callback.name);
      prometheus::MetricFamily& family = called[callback.name];
      family.name = info.name;
      family.help = info.help;
      prometheus::ClientMetric metric;
      for (const auto& [label, value] : callback.labels) metric.label.push_back({label, value});
      if (info.type == "counter") {
        family.type = prometheus::MetricType::Counter;
        metric.counter.value = callback.read();
      } else {
        family.type = prometheus::MetricType::Gauge;
        metric.gauge.value = callback.read();
      }
      family.metric.push_back(std::move(metric));
    }
    for (auto& [name, family] : called) families.push_back(std::move(family));
    std::sort(families.begin(), families.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return families;
  }

  std::map<std::string, MetricInfo> Infos() {
    std::lock_guard lock(mutex_);
    return infos_;
  }

  struct Callback {
    std::string name;
    Labels labels;
    std::function<double()> read;
  };

  // Locked in this order.
  std::mutex mutex_;
  std::mutex callbacks_mutex_;  // Held while callbacks run, so that ending one waits for them.
  prometheus::Registry registry_;
  std::map<std::string, MetricInfo> infos_;
  std::map<std::string, std::shared_ptr<const std::vector<double>>> bounds_;
  std::map<uint64_t, Callback> callbacks_;
  uint64_t next_callback_ = 0;
};

Registry::Registry() : impl_(std::make_shared<Impl>()) {}
Registry::~Registry() = default;

Counter Registry::AddCounter(const std::string& name, const std::string& help,
                             const Labels& labels) {
  std::lock_guard lock(impl_->mutex_);
  impl_->Declare(name, help, "counter", labels);
  return Counter(
      &prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry_).Add(labels));
}

Gauge Registry::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  std::lock_guard lock(impl_->mutex_);
  impl_->Declare(name, help, "gauge", labels);
  return Gauge(
      &prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry_).Add(labels));
}

Histogram Registry::AddHistogram(const std::string& name, const std::string& help,
                                 const std::vector<double>& bounds, const Labels& labels) {
  std::lock_guard lock(impl_->mutex_);
  impl_->Declare(name, help, "histogram", labels);
  auto& shared_bounds = impl_->bounds_[name];
  if (!shared_bounds) shared_bounds = std::make_shared<const std::vector<double>>(bounds);
  return Histogram(&prometheus::BuildHistogram()
                        .Name(name)
                        .Help(help)
                        .Register(impl_->registry_)
                        .Add(labels, *shared_bounds),
                   shared_bounds);
}

CallbackRegistration Registry::AddCallbackGauge(const std::string& name, const std::string& help,
                                                const Labels& labels,
                                                std::function<double()> read) {
  return impl_->AddCallback(impl_, name, help, "gauge", labels, std::move(read));
}

CallbackRegistration Registry::AddCallbackCounter(const std::string& name, const std::string& help,
                                                  const Labels& labels,
                                                  std::function<double()> read) {
  return impl_->AddCallback(impl_, name, help, "counter", labels, std::move(read));
}

std::string Registry::TextExposition() const {
  return prometheus::TextSerializer().Serialize(impl_->Collect());
}

std::vector<MetricInfo> Registry::List() const {
  std::vector<MetricInfo> list;
  for (auto& [name, info] : impl_->Infos()) list.push_back(info);
  return list;
}

}  // namespace covet::metrics
