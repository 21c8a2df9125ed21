#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "covet/rooms/v1/link.pb.h"
#include "edge/codec/messages.h"
#include "edge/link/link_lifecycle.h"
#include "edge/link/link_wire.h"
#include "edge/rooms/link_items.h"

namespace covet::edge {

// A reply nobody waits for any more.
inline constexpr uint32_t kNoThread = UINT32_MAX;

using RoomsWire = LinkWire<rooms::v1::EdgeFrame>;

// Hands what came down the link to every thread of the edge, in order. Called under the
// LinkClient's lock.
class LinkDispatcher {
 public:
  virtual ~LinkDispatcher() = default;
  virtual void Dispatch(std::shared_ptr<const LinkBatch> batch) = 0;
};

struct LinkOptions {
  std::string edge_name;
  // What the owner may send beyond what the threads have consumed; it drops events and we read them
  // back.
  int64_t credit_bytes = 8 << 20;
  // Requests that wait for a reply; beyond it new ones get UNAVAILABLE.
  size_t max_pending_requests = 100'000;
  int64_t max_pending_bytes = 64 << 20;
  // A frame of the hello, in bytes; a hello that is larger takes several.
  int64_t max_hello_bytes = 15 << 20;
  int64_t away_timeout_ms = 2'000;    // A request's life while the owner is away.
  int64_t reply_timeout_ms = 10'000;  // And while it is there.
  LinkTimes times;
};

struct LinkCounters {
  int64_t connects = 0;
  int64_t requests = 0;
  int64_t resent = 0;
  int64_t timeouts = 0;
  int64_t refused = 0;
  int64_t frames_in = 0;
  int64_t items_in = 0;
};

// The edge's end of its link to the owner of rooms: what sessions asked goes up in order, is
// repeated on the next stream after a break, and fails once it has waited too long; what comes down
// is decoded once and given to all threads. It knows every session and membership of the edge, to
// state them to a new owner. Thread-safe: edge threads submit, the wire's threads deliver.
class LinkClient {
 public:
  LinkClient(LinkOptions options, const Clock& clock, IdGenerator& ids, RoomsWire& wire,
             LinkDispatcher& dispatcher);

  void Start();
  // No request is accepted from here on; the stream ends.
  void Stop();
  // To be called every 100 ms or so.
  void Tick();

  void OpenSession(const common::v1::Identity& identity, int64_t connected_ms);
  void CloseSession(const std::string& session_id, bool moving);
  // A thread has ended a membership by itself (a reset): the owner is told without being asked for
  // a reply.
  void Forget(const std::string& session_id, const std::string& room_id);

  // Sends a request on behalf of a thread, to which the reply is dispatched with `token`. Exactly
  // one reply comes, UNAVAILABLE if the owner does not answer in time.
  void Submit(uint32_t thread, uint64_t token, rooms::v1::EdgeRequest request);

  // From the wire, never two at once; OnDown is a stream's last.
  void OnUp();
  void OnFrame(rooms::v1::OwnerFrame frame);
  void OnWritten();
  void OnDown();

  // Tells the owner of what the threads have consumed, if it is worth a frame. To be called after
  // each batch.
  void ReturnCredit();

  bool connected() const;
  LinkCounters counters() const;
  const std::string& incarnation() const { return incarnation_; }

 private:
  // Holds the lock, and calls the wire once it has let go of it: gRPC may answer from inside a
  // call.
  class ABSL_SCOPED_LOCKABLE Locked {
   public:
    explicit Locked(LinkClient* client) ABSL_EXCLUSIVE_LOCK_FUNCTION(client->mutex_);
    ~Locked() ABSL_UNLOCK_FUNCTION();

   private:
    LinkClient* const client_;
  };
  // What Locked is to do with the wire.
  struct WireCalls {
    bool connect = false;
    bool cancel = false;
    std::optional<rooms::v1::EdgeFrame> write;
  };

  struct Pending {
    uint32_t thread;
    uint64_t token;
    int64_t submitted_ms;
    int64_t bytes;
    bool sent = false;
    rooms::v1::EdgeRequest request;
  };
  struct KnownRoom {
    int32_t sessions = 0;
    std::string epoch;
  };
  struct KnownSession {
    std::shared_ptr<const common::v1::Identity> identity;
    int64_t connected_ms = 0;
    std::vector<std::pair<std::string, bool>> rooms;  // With whether metrics are wanted.
  };

  void Do(LinkLifecycle::Action action) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void QueueHello() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TryWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Notify(rooms::v1::EdgeRequest request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnReply(LinkItem& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnLateReply(LinkItem& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsMember(const std::string& session_id, const std::string& room_id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddMembership(const std::string& session_id, const rooms::v1::LinkJoin& join,
                     const std::string& epoch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool RemoveMembership(const std::string& session_id, const std::string& room_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseRoom(const std::string& room_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveRoom(const std::string& room_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailTimedOut(LinkBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fail(const Pending& pending, uint64_t id, LinkBatch& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LinkOptions options_;
  const Clock& clock_;
  const std::string incarnation_;
  RoomsWire& wire_;
  LinkDispatcher& dispatcher_;
  // Of OnFrame alone, which the wire calls one at a time.
  MessageIds message_ids_;
  MessageEncoder encoder_;

  const std::shared_ptr<std::atomic<int64_t>> consumed_ = std::make_shared<std::atomic<int64_t>>(0);

  mutable absl::Mutex mutex_;
  WireCalls calls_ ABSL_GUARDED_BY(mutex_);
  uint64_t stream_ ABSL_GUARDED_BY(mutex_) = 0;
  LinkLifecycle life_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool hello_due_ ABSL_GUARDED_BY(mutex_) = false;
  // The frames of this stream's hello that have not gone up, before anything else.
  std::deque<rooms::v1::EdgeFrame> hello_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_request_ ABSL_GUARDED_BY(mutex_) = 1;
  int64_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // By request id, so in the order in which they take effect.
  std::map<uint64_t, Pending> pending_ ABSL_GUARDED_BY(mutex_);
  // The first request that has not gone up on this stream.
  uint64_t next_to_send_ ABSL_GUARDED_BY(mutex_) = 1;
  // Joins and leaves that timed out although the owner is there. Should one succeed after all, its
  // session must not go on believing otherwise.
  struct Abandoned {
    std::string session_id;
    std::string room_id;
    bool join;
  };
  absl::flat_hash_map<uint64_t, Abandoned> abandoned_ ABSL_GUARDED_BY(mutex_);
  // What has no reply (sessions, forgetting), each before the request with the id it is paired
  // with.
  std::deque<std::pair<uint64_t, rooms::v1::EdgeRequest>> notices_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<std::string, KnownSession> sessions_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<std::string, KnownRoom> rooms_ ABSL_GUARDED_BY(mutex_);
  LinkCounters counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::edge
