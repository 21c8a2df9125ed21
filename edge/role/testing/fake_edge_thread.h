#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "edge/transport/edge_thread.h"

namespace covet::edge {

// An edge thread that runs what was posted when the test says so.
class FakeEdgeThread final : public EdgeThread {
 public:
  explicit FakeEdgeThread(size_t index) : index_(index) {}

  size_t index() const override { return index_; }
  void Post(std::function<void()> fn) override { posted.push_back(std::move(fn)); }
  void RunAfter(std::chrono::milliseconds /*delay*/, std::function<void()> /*fn*/) override {}
  int64_t NowMillis() const override { return 0; }
  const TransportCounters& counters() const override { return transport_counters; }

  std::vector<std::function<void()>> posted;
  TransportCounters transport_counters;

 private:
  const size_t index_;
};

}  // namespace covet::edge
