#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/eventlog/event_log.h"
#include "covet/rooms/v1/link.pb.h"
#include "covet/rooms/v1/storage.pb.h"

namespace covet::rooms {

// Notifications that wait for their users. Each user with any has a log, `user:<id>`, of
// notifications and acknowledgements; it goes when nothing has waited for a minute. At most
// `max_pending` wait per user, the oldest go first. Single-threaded, on `executor`.
class Inboxes {
 public:
  Inboxes(const Clock& clock, Executor& executor, eventlog::EventLog& log, int32_t max_pending);

  // Loads every inbox that holds something.
  void Start(std::function<void(absl::Status)> done);

  // Keeps the notification; `done` runs once it is committed, and it is pending from then on.
  // UNAVAILABLE if the log does not take it.
  void Add(const std::string& user_id, v1::StoredNotification notification,
           std::function<void(absl::Status)> done);
  // `done` gets whether it was pending, once that it is no more has been committed. It is in no
  // PendingOf from this call on, unless the log does not take the acknowledgement (UNAVAILABLE).
  void Acknowledge(const std::string& user_id, std::string_view notification_id,
                   std::function<void(absl::StatusOr<bool>)> done);
  // What waits for the user with its offset in the log, oldest first. Good until the next call.
  std::vector<std::pair<int64_t, const v1::StoredNotification*>> PendingOf(
      const std::string& user_id) const;
  // Drops what has ended, and logs that have become empty.
  void Tick();
  // A waiting notification as links carry it, without its sessions.
  static v1::LinkNotification ToLink(const v1::StoredNotification& stored);
  size_t pending_count() const { return pending_count_; }

 private:
  using AckCallback = std::function<void(absl::StatusOr<bool>)>;

  struct Pending {
    int64_t offset;
    v1::StoredNotification notification;
    // Whom the commit of its acknowledgement is owed to; empty while it has none.
    std::vector<AckCallback> acknowledging;
  };
  struct Inbox {
    enum class Phase : uint8_t { kOpening, kReady };
    Phase phase = Phase::kOpening;
    std::string epoch;
    int64_t next = 1;
    int64_t time_ms = 0;  // Of the newest record; never goes back, whatever the clock does.
    int appends_in_flight = 0;
    bool append_failed = false;  // Until none is in flight, nothing is accepted.
    int64_t committed = 0;
    std::deque<Pending> pending;
    size_t acknowledging = 0;  // Of `pending`.
    // For kReady; at most max_pending.
    std::vector<std::function<void(absl::Status)>> waiting;
    int64_t empty_since_ms = 0;
    int64_t trimmed = 0;  // Offsets up to here are of no more use and have been given up.
  };

  using Keys = std::shared_ptr<const std::vector<std::string>>;

  void LoadAfter(std::string after_key, std::function<void(absl::Status)> done);
  // One inbox after another, from keys[index] on, and then the next page of keys.
  void Load(Keys keys, size_t index, std::function<void(absl::Status)> done);
  void Replay(const std::string& user_id, const eventlog::ReadResult& result);
  void Open(const std::string& user_id);
  void Append(const std::string& user_id, Inbox& inbox, const v1::StoredInboxRecord& record,
              std::function<void(absl::Status)> done);
  void OnAcknowledged(const std::string& user_id, int64_t offset, const absl::Status& status);
  void DropOldest(const std::string& user_id, Inbox& inbox);
  void TrimIfWorthIt(const std::string& user_id, Inbox& inbox);
  static std::string LogId(std::string_view user_id) {
    return std::string("user:").append(user_id);
  }
  static std::string Key(std::string_view user_id) { return std::string("inbox/").append(user_id); }

  const Clock& clock_;
  Executor& executor_;
  eventlog::EventLog& log_;
  const int32_t max_pending_;
  absl::btree_map<std::string, Inbox> inboxes_;
  size_t pending_count_ = 0;
};

}  // namespace covet::rooms
