#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "edge/rooms/link_client.h"
#include "edge/rooms/thread_rooms.h"
#include "edge/streams/stream_client.h"
#include "edge/streams/thread_streams.h"
#include "edge/transport/edge_thread.h"

namespace covet::edge {

// Hands each batch of the link to the edge threads that it concerns, by one post to each.
class ThreadDispatcher final : public LinkDispatcher {
 public:
  // `rooms` lives on `thread`, whose index is the number of threads added before. All are added
  // before the link starts; both must outlive the link.
  void Add(EdgeThread* thread, ThreadRooms* rooms) { targets_.push_back({thread, rooms}); }

  void Dispatch(std::shared_ptr<const LinkBatch> batch) override;

 private:
  struct Target {
    EdgeThread* thread;
    ThreadRooms* rooms;
  };

  void Post(const Target& target, const std::shared_ptr<const LinkBatch>& batch) const;

  std::vector<Target> targets_;
};

// Hands items of streams to edge threads.
class StreamThreadDispatcher final : public StreamDispatcher {
 public:
  // As ThreadDispatcher::Add, before the first subscription.
  void Add(EdgeThread* thread, ThreadStreams* streams) { targets_.push_back({thread, streams}); }

  void Dispatch(uint32_t thread, StreamItemPtr item) override {
    const Target& target = targets_[thread];
    target.thread->Post(
        [streams = target.streams, item = std::move(item)] { streams->OnItem(*item); });
  }

 private:
  struct Target {
    EdgeThread* thread;
    ThreadStreams* streams;
  };

  std::vector<Target> targets_;
};

}  // namespace covet::edge
