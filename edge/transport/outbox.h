#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/frame/frame.h"
#include "edge/transport/connection.h"
#include "edge/transport/outbound_queue.h"

namespace covet::edge {

// Whole frames on their way to one socket. One per thread suffices: what a write leaves goes back
// to its outbox.
class WriteBatch {
 public:
  // Points at what is to be written; stays valid until Outbox::Written.
  const iovec* iov() const { return iov_.data(); }
  int iov_count() const { return iov_count_; }
  size_t bytes() const { return bytes_; }

 private:
  friend class Outbox;
  static constexpr size_t kMaxIov = 64;
  static constexpr size_t kMaxPieces = kMaxIov / 2;

  // Bytes of its own, then bytes of a shared frame; either may be empty.
  struct Piece {
    size_t size() const { return own.size() + shared.size(); }

    FramePtr frame = nullptr;
    std::string own = {};
    std::string_view shared = {};
    int64_t queued_at_ms = 0;
    uint32_t cost = 0;
    bool is_message = false;
  };

  std::array<iovec, kMaxIov> iov_;
  int iov_count_ = 0;
  size_t bytes_ = 0;
  size_t skip_ = 0;  // Bytes of the first piece that have left already.
  std::vector<Piece> pieces_;
};

// Decides which bytes one connection's socket gets next: a frame that has partly left, then control
// frames, then messages as its queue orders them, then the close frame, after which nothing
// follows. Knows no socket. Not thread-safe.
class Outbox {
 public:
  // `limits` must outlive the outbox.
  explicit Outbox(const QueueLimits* limits) : queue_(limits) {}

  // Messages go deflated where that is smaller.
  void set_deflate(bool deflate) { deflate_ = deflate; }

  // kDropped, uncounted, after Finish.
  SendResult Send(Outbound message, int64_t now_ms);
  // Queues whole control frames (or the handshake's response) ahead of messages. Ignored after
  // Finish.
  void AddControl(std::string_view frames, int64_t now_ms);
  // Queues the last frame. Only the first call counts.
  void Finish(std::string close_frame, int64_t now_ms);
  bool finishing() const { return finishing_; }
  // Gives up the messages that have not begun to leave.
  void DropMessages();

  // Nothing is left to write.
  bool empty() const;
  size_t control_bytes() const { return control_.size(); }
  // Of messages, those in flight included.
  size_t queued_bytes() const { return queue_.bytes(); }
  // When the oldest thing that waits was queued; `none` if there is none.
  int64_t OldestQueuedAt(int64_t none) const;
  bool overflowed() const { return queue_.overflowed(); }
  bool behind() const { return queue_.backpressured(); }
  bool TakeDrained() { return queue_.TakeDrained(); }
  uint32_t TakeDropped() { return queue_.TakeDropped(); }
  void ReleaseIdle() { queue_.ReleaseIdle(); }

  // Fills the empty `batch` with what comes next, up to about `max_bytes`. Written must follow.
  void Gather(int64_t now_ms, size_t max_bytes, WriteBatch* batch);
  // `bytes` of the batch have left; takes the rest back and empties the batch. Returns the whole
  // messages among them.
  size_t Written(WriteBatch* batch, size_t bytes);

 private:
  using Piece = WriteBatch::Piece;

  // What the socket did not take.
  struct InFlight {
    std::vector<Piece> pieces;
    size_t skip = 0;
  };

  OutboundQueue queue_;
  bool deflate_ = false;
  bool finishing_ = false;
  int64_t control_at_ms_ = 0;
  std::string control_;
  std::unique_ptr<InFlight> in_flight_;
  std::unique_ptr<std::string> close_frame_;
};

}  // namespace covet::edge
