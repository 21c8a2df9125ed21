#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "covet/streams/v1/streams.pb.h"
#include "edge/streams/stream_items.h"
#include "edge/streams/stream_source.h"

namespace covet::edge {

// StreamService as the client below needs it. A call for a stream that is over does nothing.
// Thread-safe; may answer from inside a call.
class StreamWire {
 public:
  virtual ~StreamWire() = default;
  // Opens a Subscribe. Its first message is read at once, each further one after a ReadOn; ends as
  // StreamClient::OnDown.
  // `identity` as in StreamSource.
  virtual void Open(uint64_t stream, streams::v1::SubscribeRequest request,
                    const std::string& identity) = 0;
  virtual void ReadOn(uint64_t stream) = 0;
  virtual void Cancel(uint64_t stream) = 0;
  // Calls `done` once, with an error if the service cannot be reached.
  virtual void Read(streams::v1::GetHistoryRequest request, const std::string& identity,
                    std::function<void(absl::Status, streams::v1::GetHistoryResponse)> done) = 0;
};

// `details.reason` of a source that is to be followed in each user's own name.
inline constexpr std::string_view kPerUser = "PER_USER";

// Hands an item to a thread of the edge, after what was handed to it before. Called under the
// StreamClient's lock.
class StreamDispatcher {
 public:
  virtual ~StreamDispatcher() = default;
  virtual void Dispatch(uint32_t thread, StreamItemPtr item) = 0;
};

struct StreamClientOptions {
  int64_t linger_ms = 10'000;        // An upstream's life after its last reader.
  int64_t away_timeout_ms = 2'000;   // How long a reader waits for a service that is away.
  int64_t open_timeout_ms = 10'000;  // And for one that is there.
  int64_t min_backoff_ms = 20;
  int64_t max_backoff_ms = 1'000;
  // Messages of one upstream that the threads have not taken in; then it is not read, and gRPC's
  // flow control holds the service back.
  int read_ahead = 4;
  int32_t page_records = 500;
};

struct StreamClientCounters {
  int64_t upstreams = 0;  // A gauge.
  int64_t live = 0;       // Of those; a gauge.
  int64_t opens = 0;      // Upstreams made.
  int64_t reopens = 0;    // Times that one went on after a break.
  int64_t ended = 0;      // Removed or reset by the service.
  int64_t batches = 0;
  int64_t records = 0;
  int64_t reads = 0;
};

// The edge's upstream subscriptions: one for each (type, resource, filter), however many threads
// and readers share it. After a break it goes on behind what it has handed out, unless the log has
// changed or lost what is missing: then it ends with `reset`. Thread-safe.
class StreamClient {
 public:
  StreamClient(StreamClientOptions options, const Clock& clock, StreamWire& wire,
               StreamDispatcher& dispatcher);

  // Cancels all streams; nothing is opened any more.
  void Stop();
  // To be called every 100 ms or so.
  void Tick();

  // A thread wants the source: exactly one AttachedItem or AttachFailedItem with `token` is
  // dispatched to it, unless it detaches first. Once per thread and source.
  void Attach(uint32_t thread, uint64_t token, const StreamSource& source);
  void Detach(uint32_t thread, const StreamSource& source);
  // Dispatches one PageItem with `token`: what the log has behind `after`, if its epoch is `epoch`.
  void Read(uint32_t thread, uint64_t token, const StreamSource& source, const std::string& epoch,
            int64_t after);

  // From the wire; of one stream never two at once, and OnDown last.
  void OnMessage(uint64_t stream, streams::v1::SubscribeResponse message);
  void OnDown(uint64_t stream, const absl::Status& status);

  StreamClientCounters counters() const;

 private:
  enum class State : uint8_t { kOpening, kLive, kBackoff };

  struct Attached {
    uint32_t thread;
    uint64_t token;
    bool answered;
    int64_t since_ms;
  };
  struct ReadGate;
  struct Upstream {
    uint64_t id;
    const StreamSource source;
    Backoff backoff;
    State state = State::kOpening;
    uint64_t stream = 0;
    std::string epoch{};  // Empty until it was live for the first time.
    int64_t last = 0;     // Handed out.
    std::vector<Attached> attached{};
    int64_t idle_since_ms = 0;  // While nobody is attached.
    int64_t next_open_ms = 0;
    std::shared_ptr<ReadGate> gate{};  // Of `stream`.
  };

  // Holds the lock, and makes the calls to the wire that were asked for once it has let go of it.
  class ABSL_SCOPED_LOCKABLE Locked {
   public:
    explicit Locked(StreamClient* client) ABSL_EXCLUSIVE_LOCK_FUNCTION(client->mutex_);
    ~Locked() ABSL_UNLOCK_FUNCTION();

   private:
    StreamClient* const client_;
  };

  void Open(Upstream& upstream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CancelStream(Upstream& upstream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BackOff(Upstream& upstream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnOpened(Upstream& upstream, const streams::v1::SubscriptionOpened& opened)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnBatch(Upstream& upstream, streams::v1::RecordBatch batch, StreamItemPtr* item)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(Upstream& upstream, Attached& attached) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Fails those that wait, and drops them.
  void FailWaiting(Upstream& upstream, const absl::Status& status, int64_t waiting_since_ms)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(Upstream& upstream, const std::string& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(Upstream& upstream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Upstream* Find(uint64_t stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const StreamClientOptions options_;
  const Clock& clock_;
  StreamWire& wire_;
  StreamDispatcher& dispatcher_;

  mutable absl::Mutex mutex_;
  std::vector<std::function<void()>> calls_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::btree_map<std::string, std::unique_ptr<Upstream>> upstreams_ ABSL_GUARDED_BY(mutex_);
  // The upstreams that have a stream, by its number.
  absl::flat_hash_map<uint64_t, Upstream*> by_stream_ ABSL_GUARDED_BY(mutex_);
  StreamClientCounters counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::edge
