#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/codec/messages.h"
#include "edge/streams/pending_batch.h"
#include "edge/streams/stream_items.h"
#include "edge/streams/stream_reader.h"
#include "edge/streams/stream_source.h"

namespace covet::edge {

// What makes readers of one upstream share frames.
struct StreamGroupOptions {
  int32_t interval_ms = 0;
  int32_t buffer_size = 0;
  bool conflate = false;
  // Of a session's several readers with the same options each is in a group of its own: messages of
  // one connection have ids of their own.
  int32_t ordinal = 0;
  // clang-tidy 14 sees a null pointer in it.
  auto operator<=>(const StreamGroupOptions&) const = default;  // NOLINT(modernize-use-nullptr)
};

// Readers that get the same frames, and what the next one will hold.
struct StreamGroup {
  StreamGroup(StreamHub* hub, const StreamGroupOptions& options, int64_t flushed, int64_t now_ms)
      : hub(hub),
        options(options),
        pending(options.conflate),
        flushed(flushed),
        last_frame_ms(now_ms) {}

  StreamHub* const hub;
  const StreamGroupOptions options;
  PendingBatch pending;
  bool gap = false;         // To be told by the next frame.
  int64_t flushed;          // The end of the last frame: where readers enter.
  int64_t deadline_ms = 0;  // When what is pending goes out; 0 if nothing is.
  int64_t last_frame_ms;
  std::vector<StreamReader*> readers;
};

struct StreamHubLimits {
  int64_t heartbeat_interval_ms = 30'000;  // Between empty batches.
  // Of records in a frame; a quarter of a connection's queue at most, so that a frame always fits
  // into one that has drained.
  size_t frame_bytes = 256 << 10;
  size_t waiting_bytes = 1 << 20;   // Of a reader.
  size_t retained_bytes = 1 << 20;  // Of a hub, while readers catch up.
};

// What a hub needs of its thread.
class StreamHubHost {
 public:
  virtual ~StreamHubHost() = default;
  virtual int64_t NowMillis() const = 0;
  virtual MessageEncoder& encoder() = 0;
  virtual StreamCounters& counters() = 0;
  virtual const StreamHubLimits& limits() const = 0;
  // Asks for the records behind `after`; the answer comes as OnPage. Sets the reader's read_token.
  virtual void Read(StreamReader& reader, int64_t after) = 0;
  // The reader is in its group: tells its subscriber so, and then, if it is still there, calls
  // StartReplay.
  virtual void OnEntered(StreamReader& reader, std::unique_ptr<StreamReader::Entry> entry,
                         SubscribeResult result) = 0;
  // Sets a group's deadline.
  virtual void SetDeadline(StreamGroup& group, int64_t deadline_ms) = 0;
};

// The readers of one upstream on one thread. Not thread-safe: lives on its thread.
//
// A reader enters its group at the end of the group's last frame. One that resumes or wants history
// reads pages of the log first, each once the one before has left, until it has reached a boundary
// of its group; the pages and what comes live share no order, so the hub keeps what comes live
// while anyone reads, and joins the two there.
class StreamHub {
 public:
  StreamHub(StreamHubHost& host, StreamSource source, uint64_t attach_token)
      : host_(host), source_(std::move(source)), attach_token_(attach_token) {}

  const StreamSource& source() const { return source_; }
  uint64_t attach_token() const { return attach_token_; }
  uint64_t upstream() const { return upstream_; }
  const std::string& epoch() const { return epoch_; }
  bool live() const { return upstream_ != 0; }
  bool empty() const { return readers_.empty(); }
  const std::vector<StreamReader*>& readers() const { return readers_; }
  size_t group_count() const { return groups_.size(); }

  // Takes in a reader with an Entry; nothing is sent to it before its Entry is done.
  void Add(StreamReader* reader);
  // Leaves the hub; may end its group.
  void Remove(StreamReader* reader);

  // The upstream is live. Readers wait for TryEnter.
  void OnAttached(const AttachedItem& item);
  // Lets a reader in, now or once a page of the log has told whether it can be recovered.
  void TryEnter(StreamReader& reader);
  // What follows OnEntered.
  void StartReplay(StreamReader& reader);
  // False if the readers cannot go on without loss.
  [[nodiscard]] bool OnBatch(const StreamBatchPtr& batch);
  // A page for the reader's read_token. False if the reader has lost records and is to be reset.
  [[nodiscard]] bool OnPage(StreamReader& reader, const PageItem& page);
  // The reader's socket has drained.
  void OnDrained(StreamReader& reader);
  // A group's deadline has come.
  void OnDeadline(StreamGroup& group);
  // Some time after a read that was not answered.
  void Retry(StreamReader& reader);
  // Every second or so: empty batches.
  void Tick();
  // The frame, made anew if records of it are past their ttl by now.
  StreamFrame WithoutExpired(const StreamFrame& frame);

 private:
  // `page` is null if none was needed.
  void Enter(StreamReader& reader, const PageItem* page);
  StreamGroup& GroupFor(const StreamReader& reader, const SubscribeParams& params);
  void TakeIn(StreamGroup& group, const StreamBatchPtr& batch);
  void Flush(StreamGroup& group, int64_t last);
  StreamFrame Build(const std::vector<RecordRef>& refs, int64_t first, int64_t last, bool gap);
  // Frames a range of records for a reader that replays.
  void SendRange(StreamReader& reader, const std::vector<RecordRef>& refs, int64_t last);
  // Sends what is at hand; reads more, waits for the socket, or ends the replay.
  void Continue(StreamReader& reader);
  // What is retained of (after, last], if it is all there.
  bool Retained(int64_t after, int64_t last, std::vector<RecordRef>* refs) const;
  void Retain(const StreamBatchPtr& batch);
  void BeginCatchingUp() { ++catching_up_; }
  void EndCatchingUp();

  StreamHubHost& host_;
  const StreamSource source_;
  const uint64_t attach_token_;
  uint64_t upstream_ = 0;
  std::string epoch_;
  int64_t last_ = 0;  // Taken in by the groups.
  std::vector<StreamReader*> readers_;
  std::map<StreamGroupOptions, std::unique_ptr<StreamGroup>> groups_;

  // Readers that replay or wait for a page to enter. Meanwhile the newest batches stay, dense up to
  // last_; at most retained_bytes, the oldest go first.
  size_t catching_up_ = 0;
  std::deque<StreamBatchPtr> retained_;
  size_t retained_bytes_ = 0;
};

}  // namespace covet::edge
