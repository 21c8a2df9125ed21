#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "tests/simulation/stream_world.h"

namespace covet::sim {

// A user's program with one subscription at a time. It goes on from what it has seen, and holds
// every frame against what was written: in order, complete or told, each record once.
class StreamReaderProgram {
 public:
  StreamReaderProgram(StreamWorld& world, int index);
  ~StreamReaderProgram();

  // Does something at random: connects, subscribes, unsubscribes, or breaks its connection.
  void Step();
  void Disconnect(bool edge_gone);
  // Connects and subscribes, if it does neither.
  void Settle();
  // What is wrong with it at the end of a run, or empty.
  std::string AtRest() const;

 private:
  class Socket;
  friend class Socket;

  void Connect();
  void Subscribe();
  void OnFrame(const std::string& text);
  void OnSubscribed(const edge::SubscribeResult& result);
  void OnUnsubscribed(const std::string& subscription_id, const std::string& reason);
  void OnData(int64_t first, int64_t last, int64_t dropped, const std::vector<int64_t>& batch);
  void Fail(const std::string& what);

  StreamWorld& world_;
  const std::string name_;
  std::shared_ptr<Socket> socket_;
  int next_subscription_ = 1;
  std::string subscription_id_;  // Empty without one.
  bool live_ = false;            // `subscribed` has come.

  // What it asked for.
  bool even_ = false;
  bool conflate_ = false;
  bool resumed_ = false;
  int32_t history_ = 0;
  // What it has seen.
  std::string epoch_;
  int64_t told_ = 0;
  bool first_may_skip_ = false;  // The next frame may begin later, or earlier (history).
};

}  // namespace covet::sim
