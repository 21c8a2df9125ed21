#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "edge/files/upload_requests.h"
#include "edge/rooms/thread_rooms.h"
#include "edge/rpc/rpc_requests.h"
#include "edge/rpc/thread_calls.h"
#include "edge/session/session_thread.h"
#include "edge/streams/thread_streams.h"

namespace covet::edge {

// Of ThreadStreams, as of the last Tick.
struct StreamGauges {
  void Set(const ThreadStreams& streams) {
    const StreamCounters& counters = streams.stream_counters();
    subscriptions = static_cast<int64_t>(streams.subscription_count());
    groups = static_cast<int64_t>(streams.group_count());
    frames_built = counters.frames_built;
    frames_sent = counters.frames_sent;
    records_sent = counters.records_sent;
    records_dropped = counters.records_dropped;
    replays = counters.replays;
    recovered = counters.recovered;
    not_recovered = counters.not_recovered;
    resets = counters.resets;
  }

  std::atomic<int64_t> subscriptions{0};
  std::atomic<int64_t> groups{0};
  std::atomic<int64_t> frames_built{0};
  std::atomic<int64_t> frames_sent{0};
  std::atomic<int64_t> records_sent{0};
  std::atomic<int64_t> records_dropped{0};
  std::atomic<int64_t> replays{0};
  std::atomic<int64_t> recovered{0};
  std::atomic<int64_t> not_recovered{0};
  std::atomic<int64_t> resets{0};
};

// What one edge thread has beside its transport. Lives on that thread; metrics may be read from
// any.
struct EdgeWorker {
  // `rpc` and `thread_streams` are null where this deployment offers none.
  EdgeWorker(uint32_t index, SessionShared& shared, LinkClient& link, int32_t page_bytes,
             RpcLink* rpc, std::unique_ptr<ThreadStreams> thread_streams = nullptr)
      : rooms(index, shared.clock, link, page_bytes),
        streams(std::move(thread_streams)),
        sessions(shared, rooms, streams.get()) {
    if (rpc == nullptr) return;
    calls.emplace(index, shared.clock, *rpc, shared.running);
    rpc_requests.emplace(*calls);
    sessions.router().Route<RpcCallMessage, RpcCancelMessage>(&*rpc_requests);
    sessions.router().Offer("rpc");
  }

  // Before the first session, where this deployment has files.
  void OfferFiles(FilesGateway& gateway) {
    uploads.emplace(gateway);
    sessions.router()
        .Route<FileUploadStartMessage, FileChunkMessage, FileUploadResumeMessage,
               FileUploadCancelMessage>(&*uploads);
    sessions.router().Offer("files");
    sessions.router().Offer("binary_chunks");
  }

  // Every second, on its thread.
  void Tick() {
    rooms.Tick();
    const ThreadRoomsCounters& counters = rooms.counters();
    open_rooms = static_cast<int64_t>(rooms.hub_count());
    resets = counters.resets;
    replays = counters.replays;
    recovered = counters.recovered;
    not_recovered = counters.not_recovered;
    if (streams == nullptr) return;
    streams->Tick();
    stream_counters.Set(*streams);
  }

  ThreadRooms rooms;
  const std::unique_ptr<ThreadStreams> streams;
  SessionThread sessions;
  std::optional<ThreadCalls> calls;
  std::optional<RpcRequests> rpc_requests;
  std::optional<UploadRequests> uploads;

  // Of `rooms`, as of the last Tick.
  std::atomic<int64_t> open_rooms{0};
  std::atomic<int64_t> resets{0};
  std::atomic<int64_t> replays{0};
  std::atomic<int64_t> recovered{0};
  std::atomic<int64_t> not_recovered{0};
  StreamGauges stream_counters;
};

}  // namespace covet::edge
