#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "edge/rooms/thread_rooms.h"
#include "edge/session/session_thread.h"

namespace covet::edge {

// What one edge thread has beside its transport. Lives on that thread; metrics may be read from
// any.
struct EdgeWorker {
  EdgeWorker(uint32_t index, SessionShared& shared, LinkClient& link, int32_t page_bytes)
      : rooms(index, shared.clock, link, page_bytes), sessions(shared, rooms) {}

  // Every second, on its thread.
  void Tick() {
    rooms.Tick();
    const ThreadRoomsCounters& counters = rooms.counters();
    open_rooms = static_cast<int64_t>(rooms.hub_count());
    resets = counters.resets;
    replays = counters.replays;
    recovered = counters.recovered;
    not_recovered = counters.not_recovered;
  }

  ThreadRooms rooms;
  SessionThread sessions;

  // Of `rooms`, as of the last Tick.
  std::atomic<int64_t> open_rooms{0};
  std::atomic<int64_t> resets{0};
  std::atomic<int64_t> replays{0};
  std::atomic<int64_t> recovered{0};
  std::atomic<int64_t> not_recovered{0};
};

}  // namespace covet::edge
