#include "edge/rooms/link_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/slot.h"
#include "edge/rooms/link_decoder.h"

namespace covet::edge {
namespace {

using rooms::v1::EdgeFrame;
using rooms::v1::EdgeRequest;
using rooms::v1::OwnerFrame;
using rooms::v1::OwnerItem;

constexpr int kLinkVersion = 1;
constexpr int64_t kMaxFrameBytes = 1 << 20;
// What a member of a repeated field takes besides itself, at most.
constexpr int64_t kFieldBytes = 6;

}  // namespace

LinkClient::LinkClient(LinkOptions options, const Clock& clock, IdGenerator& ids, RoomsWire& wire,
                       LinkDispatcher& dispatcher)
    : options_(std::move(options)),
      clock_(clock),
      incarnation_(ids.NewId("")),
      wire_(wire),
      dispatcher_(dispatcher),
      message_ids_(ids),
      encoder_(&message_ids_, &clock),
      life_(options_.times) {}

LinkClient::Locked::Locked(LinkClient* client) : client_(client) { client_->mutex_.Lock(); }

LinkClient::Locked::~Locked() {
  WireCalls calls = std::exchange(client_->calls_, {});
  if (calls.connect) ++client_->stream_;
  const uint64_t stream = client_->stream_;
  client_->mutex_.Unlock();
  if (calls.connect) client_->wire_.Connect(stream);
  if (calls.write.has_value()) client_->wire_.Write(stream, *std::move(calls.write));
  if (calls.cancel) client_->wire_.Cancel(stream);
}

void LinkClient::Do(LinkLifecycle::Action action) {
  if (action == LinkLifecycle::Action::kConnect) calls_.connect = true;
  if (action == LinkLifecycle::Action::kCancel) calls_.cancel = true;
}

void LinkClient::Start() {
  const Locked lock(this);
  Do(life_.Start(clock_.SteadyMillis()));
}

void LinkClient::Stop() {
  const Locked lock(this);
  Do(life_.Stop());
}

void LinkClient::Tick() {
  auto batch = std::make_shared<LinkBatch>();
  {
    const Locked lock(this);
    const int64_t now = clock_.SteadyMillis();
    Do(life_.Tick(now));
    if (life_.beat_due(now)) TryWrite();
    FailTimedOut(*batch);
    if (!batch->items.empty()) dispatcher_.Dispatch(batch);
  }
}

void LinkClient::OpenSession(const common::v1::Identity& identity, int64_t connected_ms) {
  const Locked lock(this);
  KnownSession& session = sessions_[identity.session_id()];
  session.identity = std::make_shared<const common::v1::Identity>(identity);
  if (session.connected_ms == 0) session.connected_ms = connected_ms;
  EdgeRequest request;
  *request.mutable_open_session()->mutable_identity() = identity;
  request.mutable_open_session()->set_connected_ms(session.connected_ms);
  Notify(std::move(request));
}

void LinkClient::CloseSession(const std::string& session_id, bool moving) {
  const Locked lock(this);
  const auto it = sessions_.find(session_id);
  if (it == sessions_.end()) return;
  for (const auto& [room_id, metrics] : it->second.rooms) ReleaseRoom(room_id);
  sessions_.erase(it);
  EdgeRequest request;
  request.set_session_id(session_id);
  request.mutable_close_session()->set_moving(moving);
  Notify(std::move(request));
}

void LinkClient::Forget(const std::string& session_id, const std::string& room_id) {
  const Locked lock(this);
  if (!RemoveMembership(session_id, room_id)) return;
  EdgeRequest request;
  request.set_session_id(session_id);
  request.mutable_leave()->set_room_id(room_id);
  Notify(std::move(request));
}

// While there is no stream the hello of the next one says it all.
void LinkClient::Notify(EdgeRequest request) {
  if (!life_.up() || hello_due_) return;
  notices_.emplace_back(next_request_, std::move(request));
  TryWrite();
}

void LinkClient::Submit(uint32_t thread, uint64_t token, EdgeRequest request) {
  auto batch = std::make_shared<LinkBatch>();
  const Locked lock(this);
  const uint64_t id = next_request_++;
  request.set_request_id(id);
  if (request.has_publish()) {
    request.mutable_publish()->set_slot(SlotOf(request.publish().room_id()));
    if (request.publish().idempotency_key().empty()) {
      request.mutable_publish()->set_idempotency_key(absl::StrCat(incarnation_, "/", id));
      request.mutable_publish()->set_edge_key(true);
    }
  }
  Pending pending{thread, token, clock_.SteadyMillis(), 0, false, std::move(request)};
  pending.bytes = static_cast<int64_t>(pending.request.ByteSizeLong());
  ++counters_.requests;
  if (life_.stopped() || pending_.size() >= options_.max_pending_requests ||
      pending_bytes_ + pending.bytes > options_.max_pending_bytes) {
    ++counters_.refused;
    Fail(pending, id, *batch);
    dispatcher_.Dispatch(std::move(batch));
    return;
  }
  pending_bytes_ += pending.bytes;
  pending_.emplace_hint(pending_.end(), id, std::move(pending));
  TryWrite();
}

void LinkClient::OnUp() {
  const Locked lock(this);
  Do(life_.OnUp(clock_.SteadyMillis()));
  if (life_.stopped()) return;
  ++counters_.connects;
  notices_.clear();
  abandoned_.clear();
  hello_.clear();
  hello_due_ = true;
  // The hello grants a full window, whatever is still being consumed: a little more than that may
  // be on its way.
  consumed_->store(0);
  next_to_send_ = pending_.empty() ? next_request_ : pending_.begin()->first;
  TryWrite();
}

void LinkClient::OnWritten() {
  const Locked lock(this);
  writing_ = false;
  TryWrite();
}

void LinkClient::OnDown() {
  const Locked lock(this);
  writing_ = false;
  notices_.clear();
  hello_.clear();
  life_.OnDown(clock_.SteadyMillis());
}

void LinkClient::ReturnCredit() {
  if (consumed_->load(std::memory_order_relaxed) < options_.credit_bytes / 8) return;
  const Locked lock(this);
  TryWrite();
}

void LinkClient::QueueHello() {
  rooms::v1::EdgeHello* hello = hello_.emplace_back().mutable_hello();
  hello->set_incarnation(incarnation_);
  hello->set_edge(options_.edge_name);
  hello->set_version(kLinkVersion);
  hello->set_credit_bytes(options_.credit_bytes);
  auto bytes = static_cast<int64_t>(hello->ByteSizeLong());
  // The frame that has room for one more of this size.
  const auto with_room = [&](size_t size) {
    const int64_t more = static_cast<int64_t>(size) + kFieldBytes;
    bytes += more;
    if (bytes > options_.max_hello_bytes) {
      hello->set_more(true);
      hello = hello_.emplace_back().mutable_hello();
      bytes = more;
    }
    return hello;
  };
  for (const auto& [id, session] : sessions_) {
    rooms::v1::EdgeSession told;
    *told.mutable_identity() = *session.identity;
    told.set_connected_ms(session.connected_ms);
    for (const auto& [room_id, metrics] : session.rooms) {
      rooms::v1::SessionRoom& room = *told.add_rooms();
      room.set_room_id(room_id);
      room.set_metrics(metrics);
    }
    *with_room(told.ByteSizeLong())->add_sessions() = std::move(told);
  }
  for (const auto& [room_id, room] : rooms_) {
    rooms::v1::EdgeRoom told;
    told.set_room_id(room_id);
    told.set_slot(SlotOf(room_id));
    told.set_epoch(room.epoch);
    *with_room(told.ByteSizeLong())->add_rooms() = std::move(told);
  }
}

void LinkClient::TryWrite() {
  if (!life_.up() || writing_) return;
  EdgeFrame frame;
  const int64_t now = clock_.SteadyMillis();
  const bool beat = life_.beat_due(now);
  if (std::exchange(hello_due_, false)) QueueHello();
  if (!hello_.empty()) {
    frame = std::move(hello_.front());
    hello_.pop_front();
    if (frame.hello().more()) {
      writing_ = true;
      calls_.write = std::move(frame);
      return;
    }
  }
  auto bytes = static_cast<int64_t>(frame.ByteSizeLong());
  auto request = pending_.lower_bound(next_to_send_);
  while (bytes < kMaxFrameBytes) {
    const bool requests_left = request != pending_.end();
    if (!notices_.empty() && (!requests_left || notices_.front().first <= request->first)) {
      *frame.add_requests() = std::move(notices_.front().second);
      notices_.pop_front();
    } else if (requests_left) {
      Pending& pending = request->second;
      if (pending.sent) {
        ++counters_.resent;
        if (pending.request.has_publish()) pending.request.mutable_publish()->set_resend(true);
      }
      pending.sent = true;
      *frame.add_requests() = pending.request;
      bytes += pending.bytes;
      next_to_send_ = request->first + 1;
      ++request;
    } else {
      break;
    }
  }
  const bool credit = consumed_->load(std::memory_order_relaxed) >= options_.credit_bytes / 8;
  if (!frame.has_hello() && frame.requests_size() == 0 && !credit && !beat) return;
  frame.set_credit_bytes(consumed_->exchange(0));
  frame.set_beat(beat);
  if (beat) life_.NoteBeat(now);
  writing_ = true;
  calls_.write = std::move(frame);
}

void LinkClient::OnFrame(OwnerFrame frame) {
  // Decoded before the lock is taken: frames of a stream come one at a time.
  auto batch = std::make_shared<LinkBatch>();
  LinkDecoder decoder(clock_, frame.now_ms(), encoder_);
  batch->items.reserve(frame.items_size());
  for (OwnerItem& item : *frame.mutable_items()) decoder.Decode(item, *batch);
  if (batch->credit_bytes > 0) batch->consumed = consumed_;
  const Locked lock(this);
  life_.OnFrame(clock_.SteadyMillis());
  ++counters_.frames_in;
  counters_.items_in += frame.items_size();
  for (LinkItem& item : batch->items) {
    if (std::holds_alternative<ReplyItem>(item)) {
      OnReply(item);
    } else if (const auto* removed = std::get_if<RemovedItem>(&item)) {
      RemoveMembership(removed->session_id, removed->room_id);
    } else if (const auto* closed = std::get_if<ClosedItem>(&item)) {
      RemoveRoom(closed->room_id);
    }
  }
  if (!batch->items.empty()) dispatcher_.Dispatch(batch);
}

void LinkClient::OnLateReply(LinkItem& item) {
  auto& reply = std::get<ReplyItem>(item);
  reply.thread = kNoThread;
  const auto it = abandoned_.find(reply.reply.request_id());
  if (it == abandoned_.end()) return;
  const Abandoned late = std::move(it->second);
  abandoned_.erase(it);
  if (reply.reply.has_error()) return;
  if (late.join) {
    if (IsMember(late.session_id, late.room_id)) return;
    EdgeRequest leave;
    leave.set_session_id(late.session_id);
    leave.mutable_leave()->set_room_id(late.room_id);
    Notify(std::move(leave));
  } else if (RemoveMembership(late.session_id, late.room_id)) {
    item = RemovedItem{late.room_id, late.session_id, "reset"};
  }
}

void LinkClient::OnReply(LinkItem& decoded) {
  auto& item = std::get<ReplyItem>(decoded);
  const auto it = pending_.find(item.reply.request_id());
  if (it == pending_.end()) return OnLateReply(decoded);
  const Pending& pending = it->second;
  item.thread = pending.thread;
  item.token = pending.token;
  if (!item.reply.has_error()) {
    if (pending.request.has_join()) {
      AddMembership(pending.request.session_id(), pending.request.join(),
                    item.reply.joined().room().epoch());
    } else if (pending.request.has_leave()) {
      RemoveMembership(pending.request.session_id(), pending.request.leave().room_id());
    }
  }
  pending_bytes_ -= pending.bytes;
  pending_.erase(it);
}

bool LinkClient::IsMember(const std::string& session_id, const std::string& room_id) const {
  const auto session = sessions_.find(session_id);
  return session != sessions_.end() &&
         std::any_of(session->second.rooms.begin(), session->second.rooms.end(),
                     [&](const auto& room) { return room.first == room_id; });
}

void LinkClient::AddMembership(const std::string& session_id, const rooms::v1::LinkJoin& join,
                               const std::string& epoch) {
  const auto session = sessions_.find(session_id);
  if (session == sessions_.end()) return;  // Closed meanwhile, as the owner will hear.
  KnownRoom& room = rooms_[join.room_id()];
  room.epoch = epoch;
  for (auto& [room_id, metrics] : session->second.rooms) {
    if (room_id != join.room_id()) continue;
    metrics = join.metrics();
    return;
  }
  ++room.sessions;
  session->second.rooms.emplace_back(join.room_id(), join.metrics());
}

bool LinkClient::RemoveMembership(const std::string& session_id, const std::string& room_id) {
  const auto session = sessions_.find(session_id);
  if (session == sessions_.end()) return false;
  if (std::erase_if(session->second.rooms,
                    [&](const auto& room) { return room.first == room_id; }) == 0) {
    return false;
  }
  ReleaseRoom(room_id);
  return true;
}

void LinkClient::ReleaseRoom(const std::string& room_id) {
  const auto room = rooms_.find(room_id);
  if (room != rooms_.end() && --room->second.sessions <= 0) rooms_.erase(room);
}

void LinkClient::RemoveRoom(const std::string& room_id) {
  if (rooms_.erase(room_id) == 0) return;
  for (auto& [id, session] : sessions_) {
    std::erase_if(session.rooms, [&](const auto& room) { return room.first == room_id; });
  }
}

void LinkClient::FailTimedOut(LinkBatch& batch) {
  const int64_t now = clock_.SteadyMillis();
  const bool up = life_.answered();
  for (auto it = pending_.begin(); it != pending_.end();) {
    const int64_t since =
        up ? it->second.submitted_ms : std::max(it->second.submitted_ms, life_.away_since_ms());
    if (now - since < (up ? options_.reply_timeout_ms : options_.away_timeout_ms)) break;
    ++counters_.timeouts;
    const EdgeRequest& request = it->second.request;
    if (up && request.has_join()) {
      abandoned_[it->first] = {request.session_id(), request.join().room_id(), true};
    } else if (up && request.has_leave()) {
      abandoned_[it->first] = {request.session_id(), request.leave().room_id(), false};
    }
    Fail(it->second, it->first, batch);
    pending_bytes_ -= it->second.bytes;
    it = pending_.erase(it);
  }
}

void LinkClient::Fail(const Pending& pending, uint64_t id, LinkBatch& batch) {
  ReplyItem item;
  item.thread = pending.thread;
  item.token = pending.token;
  item.reply.set_request_id(id);
  item.reply.mutable_error()->set_code("UNAVAILABLE");
  item.reply.mutable_error()->set_message("The rooms service does not answer");
  batch.items.emplace_back(std::move(item));
}

bool LinkClient::connected() const {
  const absl::MutexLock lock(&mutex_);
  return life_.answered();
}

LinkCounters LinkClient::counters() const {
  const absl::MutexLock lock(&mutex_);
  return counters_;
}

}  // namespace covet::edge
