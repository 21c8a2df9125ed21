#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "common/auth/authenticator.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/base/snapshot.h"
#include "common/limits/connection_attempts.h"
#include "common/limits/memory_budget.h"
#include "common/limits/queue_sizes.h"
#include "common/limits/rate_limiter.h"
#include "edge/codec/envelope.h"
#include "edge/codec/messages.h"
#include "edge/rooms/room_gateway.h"
#include "edge/session/counters.h"
#include "edge/session/router.h"
#include "edge/session/settings.h"
#include "edge/streams/stream_gateway.h"

namespace covet::edge {

// What all sessions of an edge share. Thread-safe; outlives them and their threads.
struct SessionShared {
  SessionShared(const Clock& clock, IdGenerator& ids, const auth::Authenticator& authenticator,
                std::shared_ptr<const SessionSettings> settings,
                std::shared_ptr<const limits::AttemptLimits> attempt_limits,
                int64_t memory_budget_bytes)
      : clock(clock),
        ids(ids),
        authenticator(authenticator),
        settings(std::move(settings)),
        attempts(std::move(attempt_limits), clock),
        memory(memory_budget_bytes) {}

  const Clock& clock;
  IdGenerator& ids;
  const auth::Authenticator& authenticator;
  Snapshot<SessionSettings> settings;
  limits::ConnectionAttempts attempts;
  limits::RateLimiter rpc_calls;  // By user.
  limits::MemoryBudget memory;
  limits::QueueSizes queue_sizes;
  std::atomic<bool> draining{false};
  // RPC calls, chunks and downloads, which a drain gives some time to end.
  std::atomic<int64_t> running{0};
  std::atomic<int64_t> connections{0};  // That hold a slot of max_connections.
};

// What the sessions of one edge thread share, so that each of them is small: decoder, encoder, the
// ways to rooms and streams. Used on that thread only, the counters aside; outlives its sessions.
class SessionThread {
 public:
  // `streams` is null where this deployment has none.
  SessionThread(SessionShared& shared, RoomGateway& rooms, StreamGateway* streams = nullptr);
  ~SessionThread();

  SessionShared& shared() { return shared_; }
  const Clock& clock() const { return shared_.clock; }
  RoomGateway& rooms() { return rooms_; }
  StreamGateway* streams() { return streams_; }
  MessageRouter& router() { return router_; }
  MessageEncoder& encoder() { return encoder_; }
  SessionCounters& counters() { return counters_; }

  // The settings in force, good until the next call.
  const SessionSettings& settings();
  // Decodes into a message that the next call overwrites; null with `error` set if it is refused.
  const ClientMessage* Decode(std::string_view frame, bool binary, DecodeError* error);

 private:
  SessionShared& shared_;
  RoomGateway& rooms_;
  StreamGateway* const streams_;
  Snapshot<SessionSettings>::Reader settings_;
  uint64_t decoder_version_;
  Decoder decoder_;
  ClientMessage message_;
  MessageIds message_ids_;
  MessageEncoder encoder_;
  SessionCounters counters_;
  MessageRouter router_;
  // The handlers that every edge has.
  std::unique_ptr<RequestHandler> connection_requests_;
  std::unique_ptr<RequestHandler> room_requests_;
  std::unique_ptr<RequestHandler> stream_requests_;
  std::unique_ptr<RequestHandler> not_offered_;
};

}  // namespace covet::edge
