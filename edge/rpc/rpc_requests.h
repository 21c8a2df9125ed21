#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "edge/codec/client_messages.h"
#include "edge/rpc/rpc_gateway.h"
#include "edge/session/router.h"

namespace covet::edge {

// Answers rpc_call and rpc_cancel, by the thread's RpcGateway. Every call ends in one rpc_response
// or rpc_error, unless its connection does.
//
// A result for a client whose queue is half full waits here until the queue has drained, for
// results are large and may not be dropped. Its call stays in flight meanwhile, so that no more
// wait than a connection may have calls.
class RpcRequests final : public RequestHandler {
 public:
  // Must outlive this.
  explicit RpcRequests(RpcGateway& gateway) : gateway_(gateway) {}

  void Handle(Session& session, const ClientMessage& message) override;
  void OnSessionEnd(Session& session) override;
  void OnSessionDrained(Session& session) override;

 private:
  void OnCall(Session& session, const ClientMessage& message, const RpcCallMessage& call);
  void OnCancel(Session& session, const RpcCancelMessage& cancel);

  void OnOutcome(Session& session, uint64_t call, CallOutcome outcome);

  RpcGateway& gateway_;
  absl::flat_hash_map<Session*, std::deque<std::pair<uint64_t, CallOutcome>>> waiting_;
};

}  // namespace covet::edge
