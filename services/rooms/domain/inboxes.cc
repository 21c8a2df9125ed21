#include "services/rooms/domain/inboxes.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "services/rooms/domain/errors.h"

namespace covet::rooms {
namespace {

constexpr char kKeyPrefix[] = "inbox/";
constexpr int32_t kScanPage = 1'000;
constexpr int32_t kReadLimit = 1'000'000;
constexpr int64_t kEmptyForMs = 60'000;
constexpr int64_t kTrimAfterRecords = 1'000;

}  // namespace

Inboxes::Inboxes(const Clock& clock, Executor& executor, eventlog::EventLog& log,
                 int32_t max_pending)
    : clock_(clock), executor_(executor), log_(log), max_pending_(max_pending) {}

void Inboxes::Start(std::function<void(absl::Status)> done) {
  LoadAfter(kKeyPrefix, std::move(done));
}

void Inboxes::LoadAfter(std::string after_key, std::function<void(absl::Status)> done) {
  log_.Scan(kKeyPrefix, std::move(after_key), kScanPage,
            [this, done = std::move(done)](auto pairs) {
              executor_.Post([this, done, pairs = std::move(pairs)] {
                if (!pairs.ok()) return done(pairs.status());
                auto keys = std::make_shared<std::vector<std::string>>();
                for (const auto& [key, value] : *pairs) keys->push_back(key);
                Load(std::move(keys), 0, done);
              });
            });
}

void Inboxes::Load(Keys keys, size_t index, std::function<void(absl::Status)> done) {
  if (index == keys->size()) {
    if (index < static_cast<size_t>(kScanPage)) return done(absl::OkStatus());
    return LoadAfter(keys->back(), std::move(done));
  }
  const std::string user_id = (*keys)[index].substr(sizeof kKeyPrefix - 1);
  log_.Read(LogId(user_id), 0, kReadLimit, INT64_MAX,
            [this, keys = std::move(keys), index, user_id, done = std::move(done)](auto result) {
              executor_.Post([this, keys, index, user_id, done, result = std::move(result)] {
                if (!result.ok() && !absl::IsNotFound(result.status()))
                  return done(result.status());
                if (result.ok()) Replay(user_id, *result);
                Load(keys, index + 1, done);
              });
            });
}

void Inboxes::Replay(const std::string& user_id, const eventlog::ReadResult& result) {
  Inbox& inbox = inboxes_[user_id];
  inbox.phase = Inbox::Phase::kReady;
  inbox.epoch = result.state.epoch;
  inbox.committed = result.state.last_offset;
  inbox.next = inbox.committed + 1;
  inbox.trimmed = result.state.first_offset - 1;
  inbox.empty_since_ms = clock_.WallMillis();
  v1::StoredInboxRecord record;
  for (const eventlog::Record& stored : result.records) {
    inbox.time_ms = std::max(inbox.time_ms, stored.time_ms);
    if (!record.ParseFromString(stored.data)) continue;
    if (record.has_notification()) {
      inbox.pending.push_back({stored.offset, std::move(*record.mutable_notification()), {}});
    } else {
      std::erase_if(inbox.pending, [&](const Pending& pending) {
        return pending.offset == record.acknowledged_offset();
      });
    }
  }
  pending_count_ += inbox.pending.size();
}

void Inboxes::Add(const std::string& user_id, v1::StoredNotification notification,
                  std::function<void(absl::Status)> done) {
  const auto [it, inserted] = inboxes_.try_emplace(user_id);
  if (inserted) Open(user_id);
  if (it->second.phase == Inbox::Phase::kOpening) {
    if (it->second.waiting.size() >= static_cast<size_t>(max_pending_)) {
      return done(Unavailable("too many notifications wait for the inbox to open"));
    }
    it->second.waiting.push_back([this, user_id, notification = std::move(notification),
                                  done = std::move(done)](const absl::Status& status) {
      if (!status.ok()) return done(status);
      Add(user_id, notification, done);
    });
    return;
  }
  Inbox& inbox = it->second;
  const int64_t offset = inbox.next;
  v1::StoredInboxRecord record;
  *record.mutable_notification() = notification;
  Append(user_id, inbox, record,
         [this, user_id, offset, notification = std::move(notification),
          done = std::move(done)](const absl::Status& status) {
           if (!status.ok()) return done(status);
           Inbox& ready = inboxes_[user_id];
           ready.pending.push_back({offset, notification, {}});
           ++pending_count_;
           if (ready.pending.size() - ready.acknowledging > static_cast<size_t>(max_pending_)) {
             DropOldest(user_id, ready);
           }
           done(absl::OkStatus());
         });
}

void Inboxes::Open(const std::string& user_id) {
  log_.Put(Key(user_id), "", [](const absl::Status&) {});
  log_.Create(LogId(user_id), [this, user_id](absl::StatusOr<eventlog::LogState> state) {
    executor_.Post([this, user_id, state = std::move(state)] {
      Inbox& inbox = inboxes_[user_id];
      auto waiting = std::exchange(inbox.waiting, {});
      if (state.ok()) {
        inbox.phase = Inbox::Phase::kReady;
        inbox.epoch = state->epoch;
        inbox.committed = state->last_offset;
        inbox.next = inbox.committed + 1;
        inbox.trimmed = state->first_offset - 1;
        inbox.empty_since_ms = clock_.WallMillis();
      } else {
        inboxes_.erase(user_id);
      }
      for (auto& waiter : waiting) waiter(state.status());
    });
  });
}

void Inboxes::Append(const std::string& user_id, Inbox& inbox, const v1::StoredInboxRecord& record,
                     std::function<void(absl::Status)> done) {
  if (inbox.append_failed) return done(Unavailable("the log is behind"));
  eventlog::Batch batch;
  batch.log_id = LogId(user_id);
  batch.epoch = inbox.epoch;
  batch.first_offset = inbox.next++;
  batch.time_ms = inbox.time_ms = std::max(inbox.time_ms, clock_.WallMillis());
  batch.records.push_back(std::make_shared<const std::string>(record.SerializeAsString()));
  ++inbox.appends_in_flight;
  log_.Append(std::move(batch), [this, user_id, done = std::move(done)](absl::Status status) {
    executor_.Post([this, user_id, done, status = std::move(status)] {
      Inbox& appended = inboxes_[user_id];
      --appended.appends_in_flight;
      if (status.ok()) {
        ++appended.committed;
      } else {
        // The log refuses whatever was to follow; begin again after the last that it took.
        appended.append_failed = appended.appends_in_flight > 0;
        if (!appended.append_failed) appended.next = appended.committed + 1;
      }
      done(status.ok() ? status : Unavailable(std::string(status.message())));
    });
  });
}

void Inboxes::Acknowledge(const std::string& user_id, std::string_view notification_id,
                          AckCallback done) {
  const auto it = inboxes_.find(user_id);
  if (it == inboxes_.end()) return done(false);
  Inbox& inbox = it->second;
  const auto found =
      std::find_if(inbox.pending.begin(), inbox.pending.end(), [&](const Pending& waiting) {
        return waiting.notification.notification_id() == notification_id;
      });
  if (found == inbox.pending.end()) return done(false);
  found->acknowledging.push_back(std::move(done));
  if (found->acknowledging.size() > 1) return;
  ++inbox.acknowledging;
  v1::StoredInboxRecord record;
  record.set_acknowledged_offset(found->offset);
  Append(user_id, inbox, record,
         [this, user_id, offset = found->offset](const absl::Status& status) {
           OnAcknowledged(user_id, offset, status);
         });
}

void Inboxes::OnAcknowledged(const std::string& user_id, int64_t offset,
                             const absl::Status& status) {
  Inbox& inbox = inboxes_[user_id];
  const auto found = std::find_if(inbox.pending.begin(), inbox.pending.end(),
                                  [&](const Pending& waiting) { return waiting.offset == offset; });
  const std::vector<AckCallback> waiters = std::exchange(found->acknowledging, {});
  --inbox.acknowledging;
  if (status.ok()) {
    inbox.pending.erase(found);
    --pending_count_;
    if (inbox.pending.empty()) inbox.empty_since_ms = clock_.WallMillis();
  }
  for (const AckCallback& done : waiters) {
    status.ok() ? done(true) : done(status);
  }
}

void Inboxes::DropOldest(const std::string& user_id, Inbox& inbox) {
  const auto oldest =
      std::find_if(inbox.pending.begin(), inbox.pending.end(),
                   [](const Pending& pending) { return pending.acknowledging.empty(); });
  const std::string id = oldest->notification.notification_id();
  Acknowledge(user_id, id, [](const absl::StatusOr<bool>&) {});
}

std::vector<std::pair<int64_t, const v1::StoredNotification*>> Inboxes::PendingOf(
    const std::string& user_id) const {
  std::vector<std::pair<int64_t, const v1::StoredNotification*>> result;
  const auto it = inboxes_.find(user_id);
  if (it == inboxes_.end()) return result;
  const int64_t now = clock_.WallMillis();
  for (const Pending& pending : it->second.pending) {
    if (!pending.acknowledging.empty() || pending.notification.expires_ms() <= now) continue;
    result.emplace_back(pending.offset, &pending.notification);
  }
  return result;
}

v1::LinkNotification Inboxes::ToLink(const v1::StoredNotification& stored) {
  v1::LinkNotification notification;
  notification.set_notification_id(stored.notification_id());
  *notification.mutable_content() = stored.content();
  notification.set_time_ms(stored.time_ms());
  notification.set_expires_ms(stored.expires_ms());
  notification.set_priority(stored.priority());
  notification.set_correlation_id(stored.correlation_id());
  notification.set_acknowledge(true);
  return notification;
}

void Inboxes::Tick() {
  const int64_t now = clock_.WallMillis();
  std::vector<std::string> emptied;
  for (auto& [user_id, inbox] : inboxes_) {
    if (inbox.phase != Inbox::Phase::kReady) continue;
    const size_t ended = std::erase_if(inbox.pending, [&](const Pending& pending) {
      return pending.acknowledging.empty() && pending.notification.expires_ms() <= now;
    });
    pending_count_ -= ended;
    if (ended > 0 && inbox.pending.empty()) inbox.empty_since_ms = now;
    if (inbox.pending.empty() && inbox.appends_in_flight == 0 &&
        now - inbox.empty_since_ms >= kEmptyForMs) {
      emptied.push_back(user_id);
    } else {
      TrimIfWorthIt(user_id, inbox);
    }
  }
  for (const std::string& user_id : emptied) {
    inboxes_.erase(user_id);
    log_.Delete(LogId(user_id), [](const absl::Status&) {});
    log_.Erase(Key(user_id), [](const absl::Status&) {});
  }
}

// Gives up what lies before the oldest that waits, once there is much of it.
void Inboxes::TrimIfWorthIt(const std::string& user_id, Inbox& inbox) {
  if (inbox.appends_in_flight > 0) return;
  // A bound of 0 would be none.
  const int64_t needed = inbox.pending.empty() ? inbox.committed : inbox.pending.front().offset;
  if (needed - inbox.trimmed <= kTrimAfterRecords) return;
  inbox.trimmed = needed - 1;
  const eventlog::Retention keep{0, inbox.committed - needed + 1, 0};
  log_.Trim(LogId(user_id), keep, clock_.WallMillis(),
            [](const absl::StatusOr<eventlog::LogState>&) {});
}

}  // namespace covet::rooms
