#include "edge/streams/thread_streams.h"

#include <algorithm>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors/error.h"

namespace covet::edge {
namespace {

// How long a reader waits for the service to say whether it can be recovered.
constexpr int64_t kEntryTimeoutMs = 2'000;

absl::Status Failed(std::string_view reason, std::string_view message, ErrorDetails details) {
  details["reason"] = std::string(reason);
  return MakeError(ErrorCode::kSubscriptionFailed, message, std::move(details));
}

}  // namespace

bool ThreadStreams::SoonestFirst::operator()(const StreamGroup* a, const StreamGroup* b) const {
  if (a->deadline_ms != b->deadline_ms) return a->deadline_ms < b->deadline_ms;
  if (a->hub != b->hub) return a->hub->attach_token() < b->hub->attach_token();
  return a->options < b->options;
}

ThreadStreams::ThreadStreams(uint32_t thread, const StreamHubLimits& limits, const Clock& clock,
                             IdGenerator& ids, const policy::PolicyStore& policy,
                             StreamClient& client, std::function<void(int64_t)> wake)
    : thread_(thread),
      limits_(limits),
      clock_(clock),
      policy_(policy),
      policy_version_(policy_.version()),
      client_(client),
      wake_(std::move(wake)),
      message_ids_(ids),
      encoder_(&message_ids_, &clock) {}

ThreadStreams::~ThreadStreams() = default;

bool ThreadStreams::MayRead(const common::v1::Identity& identity, const StreamSource& source) {
  return policy_.Get().Allows(identity, policy::Action::kStreamRead, ResourceNameOf(source));
}

void ThreadStreams::Subscribe(const common::v1::Identity& identity, StreamSubscriber* subscriber,
                              SubscribeParams params, std::function<void(SubscribeResult)> done) {
  const StreamSource source = SourceOf(params);
  SubscribeResult refused;
  // Permission before existence, and before all else.
  if (!MayRead(identity, source)) {
    refused.status = MayNotRead(source);
    return done(std::move(refused));
  }
  std::unique_ptr<StreamSession>& session = sessions_[identity.session_id()];
  if (session == nullptr) {
    session = std::make_unique<StreamSession>();
    session->identity = identity;
    session->subscriber = subscriber;
    session->connection = &subscriber->connection();
  }
  if (session->readers.size() >= params.max_subscriptions) {
    refused.status = Failed("TOO_MANY", "too many subscriptions on this connection",
                            {{"limit", absl::StrCat(params.max_subscriptions)}});
    return done(std::move(refused));
  }
  auto owned = std::make_unique<StreamReader>();
  StreamReader& reader = *owned;
  reader.id = next_id_++;
  reader.subscription_id = params.subscription_id;
  reader.head = std::make_shared<const std::string>(SubscriptionHead(params.subscription_id));
  reader.buffer_size = params.buffer_size;
  reader.session = session.get();
  reader.entry = std::make_unique<StreamReader::Entry>();
  reader.entry->params = std::move(params);
  reader.entry->done = std::move(done);
  reader.entry->since_ms = NowMillis();
  session->readers.push_back(std::move(owned));
  readers_.emplace(reader.id, &reader);
  Enter(reader, HubFor(SourceFor(reader)));
}

StreamSource ThreadStreams::SourceFor(const StreamReader& reader) const {
  const SubscribeParams& params = reader.entry->params;
  const bool per_user = per_user_.contains(
      absl::StrCat(static_cast<int>(params.stream_type), ":", params.resource_id));
  return SourceOf(params, per_user ? &reader.session->identity : nullptr);
}

StreamHub& ThreadStreams::HubFor(const StreamSource& source) {
  std::unique_ptr<StreamHub>& hub = hubs_[source.key];
  if (hub == nullptr) {
    const uint64_t token = next_id_++;
    hub = std::make_unique<StreamHub>(static_cast<StreamHubHost&>(*this), source, token);
    attaching_.emplace(token, hub.get());
    client_.Attach(thread_, token, source);
  }
  return *hub;
}

void ThreadStreams::Enter(StreamReader& reader, StreamHub& hub) {
  hub.Add(&reader);
  hub.TryEnter(reader);
}

StreamReader* ThreadStreams::Find(uint64_t reader_id) const {
  const auto it = readers_.find(reader_id);
  return it == readers_.end() ? nullptr : it->second;
}

StreamReader* ThreadStreams::Find(const std::string& session_id,
                                  const std::string& subscription_id) const {
  const auto it = sessions_.find(session_id);
  if (it == sessions_.end()) return nullptr;
  for (const auto& reader : it->second->readers) {
    if (reader->subscription_id == subscription_id) return reader.get();
  }
  return nullptr;
}

std::unique_ptr<StreamReader> ThreadStreams::Remove(StreamReader& reader) {
  if (StreamHub* hub = reader.hub) {
    hub->Remove(&reader);
    RemoveHubIfEmpty(*hub);
  }
  readers_.erase(reader.id);
  StreamSession& session = *reader.session;
  const auto it = std::find_if(session.readers.begin(), session.readers.end(),
                               [&](const auto& known) { return known.get() == &reader; });
  std::unique_ptr<StreamReader> owned = std::move(*it);
  session.readers.erase(it);
  if (session.readers.empty()) sessions_.erase(session.identity.session_id());
  return owned;
}

void ThreadStreams::RemoveHubIfEmpty(StreamHub& hub) {
  if (!hub.empty()) return;
  client_.Detach(thread_, hub.source());
  attaching_.erase(hub.attach_token());
  by_upstream_.erase(hub.upstream());
  const std::string key = hub.source().key;
  hubs_.erase(key);
}

bool ThreadStreams::Unsubscribe(const std::string& session_id, const std::string& subscription_id) {
  StreamReader* reader = Find(session_id, subscription_id);
  if (reader == nullptr) return false;
  Remove(*reader);
  return true;
}

void ThreadStreams::CloseSession(const std::string& session_id) {
  while (true) {
    const auto it = sessions_.find(session_id);
    if (it == sessions_.end()) return;
    if (it->second->readers.empty()) return static_cast<void>(sessions_.erase(it));
    Remove(*it->second->readers.back());
  }
}

void ThreadStreams::OnDrained(const std::string& session_id) {
  const auto it = sessions_.find(session_id);
  if (it == sessions_.end()) return;
  StreamSession& session = *it->second;
  session.behind = false;
  const size_t count = session.readers.size();
  const size_t first = session.next_to_drain;
  for (size_t i = 0; i < count; ++i) {
    StreamReader& reader = *session.readers[(first + i) % count];
    if (reader.entry == nullptr) reader.hub->OnDrained(reader);
    if (!session.behind) continue;
    session.next_to_drain = first + i + 1;
    return;
  }
}

size_t ThreadStreams::WaitingBytes(const std::string& session_id) const {
  const auto it = sessions_.find(session_id);
  if (it == sessions_.end()) return 0;
  size_t bytes = 0;
  for (const auto& reader : it->second->readers) bytes += reader->waiting_bytes;
  return bytes;
}

void ThreadStreams::End(StreamReader& reader, const std::string& reason) {
  if (reason == "reset") ++counters_.resets;
  StreamSubscriber* const subscriber = reader.session->subscriber;
  const std::unique_ptr<StreamReader> removed = Remove(reader);
  subscriber->OnUnsubscribed(removed->subscription_id, reason);
}

void ThreadStreams::Fail(StreamReader& reader, const absl::Status& status) {
  const std::unique_ptr<StreamReader> removed = Remove(reader);
  SubscribeResult result;
  result.status = status;
  removed->entry->done(std::move(result));
}

void ThreadStreams::EndHub(StreamHub& hub, const std::string& reason) {
  std::vector<uint64_t> ids;
  for (const StreamReader* reader : hub.readers()) ids.push_back(reader->id);
  // Readers that were told nothing yet begin anew with the log as it is now.
  const StreamSource& source = hub.source();
  by_upstream_.erase(hub.upstream());
  const std::unique_ptr<StreamHub> ended = std::move(hubs_[source.key]);
  hubs_.erase(source.key);
  client_.Detach(thread_, source);
  for (const uint64_t id : ids) {
    StreamReader* reader = Find(id);
    if (reader == nullptr) continue;
    ended->Remove(reader);
    if (reader->entry == nullptr) {
      End(*reader, reason);
    } else if (reason == "permission_revoked") {
      Fail(*reader, MayNotRead(source));
    } else if (reason == "reset") {
      reader->read_token = 0;
      reader->retry_read = false;
      Enter(*reader, HubFor(source));
    } else {
      Fail(*reader, Failed("RESOURCE_NOT_FOUND", "no such stream", {}));
    }
  }
}

void ThreadStreams::RenewSession(const common::v1::Identity& identity) {
  const auto it = sessions_.find(identity.session_id());
  if (it == sessions_.end()) return;
  it->second->identity = identity;
  Recheck(identity);
  BeginAnewAs(identity);
}

void ThreadStreams::BeginAnewAs(const common::v1::Identity& identity) {
  const auto it = sessions_.find(identity.session_id());
  if (it == sessions_.end()) return;
  std::vector<uint64_t> ids;
  for (const auto& reader : it->second->readers) {
    const std::string& opened_as = reader->hub->source().identity;
    if (!opened_as.empty() && opened_as != IdentityOf(identity)) ids.push_back(reader->id);
  }
  for (const uint64_t id : ids) {
    StreamReader* reader = Find(id);
    if (reader == nullptr) continue;
    if (reader->entry == nullptr) {
      End(*reader, "reset");
      continue;
    }
    StreamHub& before = *reader->hub;
    before.Remove(reader);
    RemoveHubIfEmpty(before);
    reader->read_token = 0;
    reader->retry_read = false;
    Enter(*reader, HubFor(SourceFor(*reader)));
  }
}

void ThreadStreams::Recheck(const common::v1::Identity& identity) {
  const auto it = sessions_.find(identity.session_id());
  if (it == sessions_.end()) return;
  std::vector<uint64_t> ids;
  for (const auto& reader : it->second->readers) {
    if (!MayRead(it->second->identity, reader->hub->source())) ids.push_back(reader->id);
  }
  for (const uint64_t id : ids) {
    StreamReader* reader = Find(id);
    if (reader == nullptr) continue;
    if (reader->entry == nullptr) {
      End(*reader, "permission_revoked");
    } else {
      Fail(*reader, MayNotRead(reader->hub->source()));
    }
  }
}

void ThreadStreams::Read(StreamReader& reader, int64_t after) {
  const StreamHub& hub = *reader.hub;
  reader.read_token = next_id_++;
  reads_.emplace(reader.read_token, reader.id);
  client_.Read(thread_, reader.read_token, hub.source(), hub.epoch(), after);
}

void ThreadStreams::OnEntered(StreamReader& reader, std::unique_ptr<StreamReader::Entry> entry,
                              SubscribeResult result) {
  const uint64_t id = reader.id;
  // It may unsubscribe, or end its session.
  entry->done(std::move(result));
  if (StreamReader* entered = Find(id)) entered->hub->StartReplay(*entered);
}

void ThreadStreams::SetDeadline(StreamGroup& group, int64_t deadline_ms) {
  if (group.deadline_ms != 0) deadlines_.erase(&group);
  group.deadline_ms = deadline_ms;
  if (deadline_ms == 0) return;
  deadlines_.insert(&group);
  if (wake_at_ms_ != 0 && wake_at_ms_ <= deadline_ms) return;
  wake_at_ms_ = deadline_ms;
  wake_(std::max<int64_t>(0, deadline_ms - NowMillis()));
}

void ThreadStreams::OnTimer() {
  const int64_t now_ms = NowMillis();
  // An earlier deadline may have asked for another call meanwhile; this one then finds less to do.
  if (wake_at_ms_ != 0 && wake_at_ms_ <= now_ms) wake_at_ms_ = 0;
  while (!deadlines_.empty() && (*deadlines_.begin())->deadline_ms <= now_ms) {
    StreamGroup& group = **deadlines_.begin();
    group.hub->OnDeadline(group);
  }
  if (deadlines_.empty() || wake_at_ms_ != 0) return;
  wake_at_ms_ = (*deadlines_.begin())->deadline_ms;
  wake_(wake_at_ms_ - now_ms);
}

void ThreadStreams::OnItem(const StreamItem& item) {
  std::visit([this](const auto& body) { On(body); }, item.body);
}

void ThreadStreams::On(const AttachedItem& item) {
  const auto it = attaching_.find(item.token);
  if (it == attaching_.end()) return;
  StreamHub& hub = *it->second;
  attaching_.erase(it);
  hub.OnAttached(item);
  by_upstream_[item.upstream] = &hub;
  std::vector<uint64_t> ids;
  for (const StreamReader* reader : hub.readers()) ids.push_back(reader->id);
  for (const uint64_t id : ids) {
    StreamReader* reader = Find(id);
    if (reader != nullptr && reader->entry != nullptr) reader->hub->TryEnter(*reader);
  }
}

void ThreadStreams::On(const AttachFailedItem& item) {
  const auto it = attaching_.find(item.token);
  if (it == attaching_.end()) return;
  StreamHub& hub = *it->second;
  std::vector<uint64_t> ids;
  for (const StreamReader* reader : hub.readers()) ids.push_back(reader->id);
  const bool per_user = DetailsOf(item.status)["reason"] == kPerUser;
  if (per_user) {
    const auto& request = hub.source().request;
    per_user_.insert(
        absl::StrCat(static_cast<int>(request.stream_type()), ":", request.resource_id()));
  }
  // The upstream knows nothing of us any more; whoever comes now attaches anew.
  attaching_.erase(it);
  const std::string key = hub.source().key;
  const std::unique_ptr<StreamHub> failed = std::move(hubs_[key]);
  hubs_.erase(key);
  for (const uint64_t id : ids) {
    StreamReader* reader = Find(id);
    if (reader == nullptr) continue;
    failed->Remove(reader);
    if (per_user && failed->source().identity.empty()) {
      Enter(*reader, HubFor(SourceFor(*reader)));
    } else {
      Fail(*reader, item.status);
    }
  }
}

void ThreadStreams::On(const BatchItem& item) {
  const auto it = by_upstream_.find(item.upstream);
  if (it == by_upstream_.end()) return;
  StreamHub& hub = *it->second;
  if (!hub.OnBatch(item.batch)) EndHub(hub, "reset");
}

void ThreadStreams::On(const EndedItem& item) {
  const auto it = by_upstream_.find(item.upstream);
  if (it != by_upstream_.end()) EndHub(*it->second, item.reason);
}

void ThreadStreams::On(const PageItem& item) {
  const auto it = reads_.find(item.token);
  if (it == reads_.end()) return;
  StreamReader* reader = Find(it->second);
  reads_.erase(it);
  if (reader == nullptr || reader->hub == nullptr || reader->read_token != item.token) return;
  if (!reader->hub->OnPage(*reader, item)) End(*reader, "reset");
}

void ThreadStreams::Tick() {
  for (const auto& [key, hub] : hubs_) hub->Tick();
  const int64_t now_ms = NowMillis();
  std::vector<uint64_t> retries;
  for (const auto& [id, reader] : readers_) {
    if (reader->retry_read) retries.push_back(id);
  }
  for (const uint64_t id : retries) {
    StreamReader* reader = Find(id);
    if (reader == nullptr || reader->hub == nullptr) continue;
    if (reader->entry != nullptr && now_ms - reader->entry->since_ms >= kEntryTimeoutMs) {
      Fail(*reader, Failed("SOURCE_DOWN", "streams cannot be reached", {}));
    } else {
      reader->hub->Retry(*reader);
    }
  }
  policy_.Get();
  if (policy_version_ == policy_.version()) return;
  policy_version_ = policy_.version();
  std::vector<common::v1::Identity> identities;
  for (const auto& [session_id, session] : sessions_) identities.push_back(session->identity);
  for (const common::v1::Identity& identity : identities) Recheck(identity);
}

size_t ThreadStreams::group_count() const {
  size_t count = 0;
  for (const auto& [key, hub] : hubs_) count += hub->group_count();
  return count;
}

}  // namespace covet::edge
