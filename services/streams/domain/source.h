#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "covet/common/v1/common.pb.h"
#include "covet/streams/v1/streams.pb.h"
#include "services/streams/domain/record_buffer.h"

namespace covet::streams {

// How a source wants to be run.
struct SourceTraits {
  // Run only while someone reads and, once it was live, as long after the last reader as the stream
  // keeps a record by age; then what the stream holds goes too. Else run from the start to the end.
  // Only for logs in memory.
  bool on_demand = false;
  // Each user (and each filter) has a stream of its own. Only with `on_demand`.
  bool per_user = false;
  bool per_filter = false;
};

// What a run begins with.
struct SourceStart {
  // As the last committed buffer of an earlier run gave it (RecordBuffer::SetPosition); empty where
  // there is none. Survives a crash if the log does: it is in the commit of the records it belongs
  // to, so what lies before it is in the log and what lies after it is not.
  std::string position;
  // Records were lost since then: the first one should be marked (RecordBuffer::MarkGap) if the
  // source cannot go on from `position` exactly. True once a run of the stream was live.
  bool again = false;
  // For `per_user`: whose stream it is. Never null then.
  std::shared_ptr<const common::v1::Identity> identity;
  // For `per_filter`: what its readers ask for.
  v1::Filter filter;
};

// How far a source is ahead of what was appended; none where that cannot be told. How many records
// lie in what was not read yet no source knows.
struct SourceLag {
  std::optional<int64_t> ms;
  std::optional<int64_t> bytes;  // Of what the source reads: a file, a server's log.
};

enum class SourceAppend : uint8_t {
  kQueued,        // Hand in more.
  kBackpressure,  // Queued; hand in more when `committed` of everything queued before has run.
  kRefused,       // The run is over; `committed` is called with CANCELLED.
};

// Where a run hands in what it finds. Thread-safe; no call blocks. Calls after the run's end do
// nothing.
//
// The bound: at most kSourceQueueBytes wait for their commit; a run that goes on beyond
// kBackpressure up to twice that is failed with RESOURCE_EXHAUSTED.
class SourceSink {
 public:
  virtual ~SourceSink() = default;

  // Appends the records, in the order of the calls. `committed` runs once, on the streams'
  // executor: with OK when records and position are durable. It must not block; it may come after
  // the run's end, so what it uses must live on. A status that is not OK means that the run has
  // failed.
  virtual SourceAppend Append(RecordBuffer records,
                              std::function<void(absl::Status)> committed = nullptr) = 0;
  // The source is connected and delivers. A run begins as connecting.
  virtual void SetLive() = 0;
  virtual void SetLag(SourceLag lag) = 0;
  // The run goes on, but a part of what it should deliver is missing: the source shows as failed,
  // with this error, until it is OK again. Readers stay and come as if it were live.
  virtual void SetTrouble(absl::Status trouble) = 0;
  // The run cannot go on. It is destroyed, and another is started after a backoff from the last
  // committed position. `why` is shown to people (last_error) and must hold no secrets.
  virtual void Fail(absl::Status why) = 0;
};

inline constexpr int64_t kSourceQueueBytes = 4 << 20;

// One attempt to deliver a resource's records, from its making until its destruction. Made and
// destroyed on the sources' control thread. The destructor stops it, promptly (well below a
// second), and returns when nothing of it runs any more.
class SourceRun {
 public:
  virtual ~SourceRun() = default;
};

// Where a resource's records come from. Runs of one stream never overlap. Used on the sources'
// control thread, which all sources share: Start must not wait for anything. I/O happens on threads
// or loops of the source's own.
class Source {
 public:
  virtual ~Source() = default;
  virtual SourceTraits traits() const = 0;
  // Never null; what cannot work is told by `sink->Fail`. `sink` may be kept beyond the run's end.
  virtual std::unique_ptr<SourceRun> Start(SourceStart start, std::shared_ptr<SourceSink> sink) = 0;
};

}  // namespace covet::streams
