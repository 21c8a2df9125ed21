#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "covet/common/v1/common.pb.h"
#include "edge/streams/stream_gateway.h"

namespace covet::edge {

// Keeps what it is asked until the test answers.
class FakeStreamGateway final : public StreamGateway {
 public:
  struct Call {
    SubscribeParams params;
    std::function<void(SubscribeResult)> done;
  };

  void Subscribe(const common::v1::Identity& /*identity*/, StreamSubscriber* asked,
                 SubscribeParams params, std::function<void(SubscribeResult)> done) override {
    subscriber = asked;
    calls.push_back({std::move(params), std::move(done)});
  }
  bool Unsubscribe(const std::string& /*session_id*/, const std::string& id) override {
    unsubscribed.push_back(id);
    return known;
  }
  void RenewSession(const common::v1::Identity& identity) override { renewed.push_back(identity); }
  void CloseSession(const std::string& session_id) override { closed.push_back(session_id); }
  void OnDrained(const std::string& /*session_id*/) override { ++drained; }
  size_t WaitingBytes(const std::string& /*session_id*/) const override { return waiting; }

  StreamSubscriber* subscriber = nullptr;
  std::vector<Call> calls;
  std::vector<std::string> unsubscribed;
  std::vector<common::v1::Identity> renewed;
  std::vector<std::string> closed;
  bool known = true;
  int drained = 0;
  size_t waiting = 0;
};

}  // namespace covet::edge
