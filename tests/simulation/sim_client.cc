#include "tests/simulation/sim_client.h"

#include <utility>

#include "edge/frame/frame_header.h"
#include "edge/session/pending_notifications.h"
#include "tests/simulation/world.h"

namespace covet::sim {
namespace {

const edge::QueueLimits kLimits{.max_bytes = 12 << 10, .high_water_bytes = 6 << 10};

std::string Member(const std::string& json, const std::string& name) {
  const size_t at = json.find("\"" + name + "\":");
  if (at == std::string::npos) return "";
  size_t begin = at + name.size() + 3;
  if (json[begin] == '"') {
    const size_t end = json.find('"', begin + 1);
    return json.substr(begin + 1, end - begin - 1);
  }
  size_t end = begin;
  while (end < json.size() && json[end] != ',' && json[end] != '}') ++end;
  return json.substr(begin, end - begin);
}

int64_t Number(const std::string& json, const std::string& name) {
  const std::string text = Member(json, name);
  return text.empty() ? 0 : std::stoll(text);
}

}  // namespace

// A connection and its session on one edge thread, behind a socket that drains now and then.
class SimClient::Socket final : public edge::Connection,
                                public edge::RoomSubscriber,
                                public std::enable_shared_from_this<Socket> {
 public:
  Socket(SimClient* client, SimEdge* edge, SimEdge::EdgeThread& thread)
      : client_(client), world_(client->world_), edge_(edge), thread_(thread), queue_(&kLimits) {
    identity_.set_user_id(client->user_id());
    identity_.set_session_id(world_.kernel().ids().NewId("sess_"));
    identity_.add_roles("member");
  }

  void Open() {
    thread_.rooms->OpenSession(identity_, this);
    Drain();
  }

  // The socket is gone; the session ends on its thread, unless the whole edge has died.
  void Abandon(bool edge_gone) {
    client_ = nullptr;
    closed_ = true;
    if (edge_gone) return;
    thread_.thread->Post([self = shared_from_this()] {
      self->thread_.rooms->CloseSession(self->identity_.session_id(), false);
    });
  }

  SimEdge* edge() { return edge_; }
  edge::RoomGateway& rooms() { return *thread_.rooms; }
  Thread& thread() { return *thread_.thread; }
  const std::string& session_id() const { return identity_.session_id(); }
  SimClient* client() { return client_; }

  edge::SendResult Send(edge::Outbound message) override {
    const edge::SendResult result = queue_.Push(std::move(message), world_.kernel().SteadyMillis());
    if (queue_.overflowed() && !closed_) {
      closed_ = true;
      world_.kernel().After(0, [self = shared_from_this()] {
        if (self->client_ != nullptr) self->client_->Disconnect(/*edge_gone=*/false);
      });
    }
    return result;
  }
  size_t queued_bytes() const override { return queue_.bytes(); }
  bool behind() const override { return queue_.backpressured(); }
  void PauseReading() override {}
  void ResumeReading() override {}
  void Ping(std::string) override {}
  void Close(uint16_t, std::string) override {}
  const std::string& remote_address() const override { return session_id(); }
  void SendText(std::string text) {
    edge::Outbound message;
    message.frame = edge::Frame::Text(std::move(text));
    Send(std::move(message));
  }

  edge::Connection& connection() override { return *this; }
  void OnRoomLeft(const std::string& room_id, const std::string& reason) override {
    SendText(R"({"type":"room_left","data":{"room_id":")" + room_id + R"(","reason":")" + reason +
             "\"}}");
  }
  // As the edge's session does it.
  void OnNotification(const std::string& notification_id, edge::FramePtr frame,
                      edge::Priority priority, int64_t expires_at_ms, bool acknowledge) override {
    if (acknowledge && !notifications_.Add(notification_id)) return;
    edge::Outbound message;
    message.frame = std::move(frame);
    message.lane = edge::Lane::kReply;
    message.priority = priority;
    message.expires_at_ms = expires_at_ms;
    message.droppable = !acknowledge;
    Send(std::move(message));
    SendPing();
  }
  void OnNotificationRead(const std::string& notification_id) override {
    SendText(R"({"type":"notification_read","data":{"notification_id":")" + notification_id +
             "\"}}");
  }
  void Acknowledge(const std::string& notification_id) {
    notifications_.Acknowledge(notification_id);
    thread_.rooms->AckNotification(session_id(), notification_id, /*explicit_ack=*/true);
  }

  std::set<std::string> notified;  // What came on this connection.

 private:
  void SendPing() {
    auto ping = notifications_.TakePing();
    if (!ping) return;
    edge::Outbound message;
    message.frame = edge::Frame::Ping(*std::move(ping));
    message.lane = edge::Lane::kReply;
    message.priority = edge::Priority::kLow;
    Send(std::move(message));
  }

  // The client's library answers, in its own time.
  void OnPing(std::string payload) {
    world_.kernel().After(
        world_.kernel().Random(100, 20'000), [self = shared_from_this(), payload] {
          if (self->closed_) return;
          self->thread().Post([self, payload] {
            if (self->closed_) return;
            for (const std::string& id : self->notifications_.OnPong(payload)) {
              self->thread_.rooms->AckNotification(self->session_id(), id, /*explicit_ack=*/false);
            }
            self->SendPing();
          });
        });
  }

  void Drain() {
    if (closed_) return;
    edge::Departure out;
    for (int64_t burst = world_.kernel().Random(1, 30); burst > 0; --burst) {
      if (!queue_.Pop(world_.kernel().SteadyMillis(), &out)) break;
      queue_.Release(out.cost);
      std::string text(out.frame->text());
      if ((out.frame->wire().front() & 0x0f) == edge::kOpcodePing) {
        OnPing(std::move(text));
        continue;
      }
      if (out.spliced()) {
        std::string insert;
        out.AppendInsert(&insert);
        text.insert(out.frame->splice(), insert);
      }
      if (client_ != nullptr) client_->OnEvent(text);
      if (closed_) return;
    }
    if (queue_.TakeDrained()) thread_.rooms->OnDrained(session_id());
    const bool slow = !world_.quiet() && world_.kernel().Chance(3);
    world_.kernel().After(world_.kernel().Random(100, slow ? 400'000 : 4'000),
                          [weak = weak_from_this()] {
                            const auto self = weak.lock();
                            if (self == nullptr || self->closed_) return;
                            self->thread().Post([self] { self->Drain(); });
                          });
  }

  SimClient* client_;
  World& world_;
  SimEdge* edge_;
  SimEdge::EdgeThread& thread_;
  covet::common::v1::Identity identity_;
  edge::OutboundQueue queue_;
  edge::PendingNotifications notifications_;
  bool closed_ = false;
};

SimClient::SimClient(World& world, int index)
    : world_(world),
      name_("client" + std::to_string(index)),
      user_id_(world.UserId(index % world.options().users)) {
  for (int i = 0; i < world.options().rooms; ++i) views_["room" + std::to_string(i)];
}

SimClient::~SimClient() = default;

bool SimClient::UsesEdge(const SimEdge* edge) const {
  return socket_ != nullptr && socket_->edge() == edge;
}

void SimClient::Connect() {
  SimEdge* edge = world_.RandomEdge();
  if (edge == nullptr) return;
  socket_ = std::make_shared<Socket>(this, edge, edge->RandomThread());
  socket_->thread().Post([socket = socket_] { socket->Open(); });
  for (auto& [room_id, view] : views_) view.joined = view.joining = false;
  JoinAll();
  if (outstanding_.has_value()) outstanding_->sent = false;
}

void SimClient::ConnectIfNot() {
  if (socket_ == nullptr) Connect();
}

void SimClient::Disconnect(bool edge_gone) {
  if (socket_ == nullptr) return;
  socket_->Abandon(edge_gone);
  socket_.reset();
  if (outstanding_.has_value()) outstanding_->sent = false;
}

void SimClient::JoinAll() {
  if (socket_ == nullptr) return;
  // What is not yet acknowledged brings it back into the room.
  if (world_.quiet() && outstanding_.has_value()) views_[outstanding_->room_id].wanted = true;
  for (auto& [room_id, view] : views_) {
    if (view.wanted && !view.joined && !view.joining) Join(room_id);
  }
  if (outstanding_.has_value() && !outstanding_->sent) SendOutstanding();
}

std::string SimClient::RandomRoom() {
  return "room" + std::to_string(world_.kernel().Random(0, world_.options().rooms - 1));
}

void SimClient::Step() {
  Kernel& kernel = world_.kernel();
  if (socket_ == nullptr) {
    if (kernel.Chance(40)) Connect();
    return;
  }
  const int64_t dice = kernel.Random(0, 99);
  const std::string room_id = RandomRoom();
  if (dice < 3) {
    Disconnect(false);
  } else if (dice < 20) {
    views_[room_id].wanted = true;
    JoinAll();
  } else if (dice < 24) {
    if (views_[room_id].joined) Leave(room_id);
  } else if (dice < 27) {
    // Joining again replaces the options.
    if (views_[room_id].joined && !views_[room_id].joining) Join(room_id);
  } else if (dice < 80) {
    Publish();
  }
  JoinAll();
}

void SimClient::Join(const std::string& room_id) {
  View& view = views_[room_id];
  view.joining = true;
  view.again = view.joined;
  edge::JoinParams params;
  params.room_id = room_id;
  params.has_resume = !view.epoch.empty() && !view.again;
  view.resumed = params.has_resume;
  socket_->thread().Post([this, socket = socket_, params]() mutable {
    if (socket->client() == nullptr) return;
    // What is still queued for this client counts as unseen only once its socket is gone, so the
    // position is taken when the request leaves: everything queued before the answer comes before
    // it.
    View& view = views_[params.room_id];
    params.resume_epoch = view.epoch;
    params.resume_offset = view.last;
    socket->rooms().Join(
        socket->session_id(), params,
        [socket, room = params.room_id](const edge::JoinResult& result) {
          // room_joined goes through the same queue as the events, as on the wire.
          if (!result.error.ok()) {
            socket->SendText(R"({"type":"error","data":{"room_id":")" + room + "\"}}");
            return;
          }
          socket->SendText(R"({"type":"room_joined","data":{"room_id":")" + room +
                           R"(","epoch":")" + result.epoch + R"(","offset":)" +
                           std::to_string(result.offset) + R"(,"recovered":)" +
                           (result.recovered ? "true" : "false") + "}}");
        });
  });
}

void SimClient::Leave(const std::string& room_id) {
  views_[room_id].wanted = false;
  socket_->thread().Post([socket = socket_, room_id] {
    if (socket->client() == nullptr) return;
    socket->rooms().Leave(socket->session_id(), room_id, "", [socket, room_id](const auto& error) {
      if (error.ok()) socket->OnRoomLeft(room_id, "left");
    });
  });
}

void SimClient::Publish() {
  if (outstanding_.has_value()) return;
  const std::string room_id = RandomRoom();
  if (!views_[room_id].joined) return;
  outstanding_ = Outstanding{room_id, name_ + "-" + std::to_string(next_message_++)};
  if (world_.kernel().Chance(10)) outstanding_->text += std::string(1'500, '.');
  SendOutstanding();
}

void SimClient::SendOutstanding() {
  if (!views_[outstanding_->room_id].joined) return;
  outstanding_->sent = true;
  edge::PublishParams params;
  params.room_id = outstanding_->room_id;
  params.event_type = "chat";
  params.payload = "{\"text\":\"" + outstanding_->text + "\"}";
  params.idempotency_key = outstanding_->text.substr(0, 60);
  socket_->thread().Post([this, socket = socket_, params, text = outstanding_->text] {
    if (socket->client() == nullptr) return;
    socket->rooms().Publish(socket->session_id(), params,
                            [this, socket, room = params.room_id, text](const auto& result) {
                              if (socket->client() == nullptr) return;
                              if (!result.error.ok()) {
                                // The same again, later, until it is acknowledged.
                                world_.kernel().After(
                                    200'000, [this, weak = std::weak_ptr<Socket>(socket), text] {
                                      const auto socket = weak.lock();
                                      if (socket == nullptr || socket->client() == nullptr) return;
                                      if (outstanding_.has_value() && outstanding_->text == text)
                                        outstanding_->sent = false;
                                    });
                                return;
                              }
                              world_.NoteAcknowledged(room, text, result.offset);
                              if (outstanding_.has_value() && outstanding_->text == text)
                                outstanding_.reset();
                            });
  });
}

void SimClient::OnNotification(const std::string& text) {
  const std::string id = Member(text, "notification_id");
  std::string wrong;
  if (Member(text, "type") == "notification_read") {
    wrong = world_.notifications().CheckRead(user_id_, id);
  } else {
    const std::string to = Member(text, "title");
    if (to.starts_with("user") && to != user_id_) wrong = id + " is for " + to;
    const std::string seen = world_.notifications().CheckReceived(user_id_, id, socket_->notified,
                                                                  world_.kernel().WallMillis());
    if (!seen.empty()) wrong = seen;
    if (to == user_id_ && world_.kernel().Chance(30)) {
      world_.notifications().NoteAcknowledged(user_id_, id);
      world_.kernel().After(world_.kernel().Random(100, 30'000), [socket = socket_, id] {
        if (socket->client() == nullptr) return;
        socket->thread().Post([socket, id] {
          if (socket->client() != nullptr) socket->Acknowledge(id);
        });
      });
    }
  }
  if (!wrong.empty()) world_.Fail(name_ + ": " + wrong);
}

void SimClient::OnEvent(const std::string& text) {
  world_.kernel().Note(name_);
  world_.kernel().Note(text);
  const std::string type = Member(text, "type");
  if (type.starts_with("notification")) return OnNotification(text);
  const std::string room_id = Member(text, "room_id");
  View& view = views_[room_id];
  if (type == "error") {
    // One that was to replace the options leaves the membership as it was.
    view.joining = false;
    if (!std::exchange(view.again, false)) view.joined = false;
    return;
  }
  if (type == "room_left") {
    if (Member(text, "reason") == "reset") ++world_.statistics().resets;
    // A join under way comes after it and is answered on its own.
    view.joined = false;
    view.again = false;
    return;
  }
  if (type == "room_joined") {
    edge::JoinResult result;
    result.epoch = Member(text, "epoch");
    result.offset = Number(text, "offset");
    result.recovered = Member(text, "recovered") == "true";
    return OnJoined(room_id, result);
  }
  if (Member(text, "event_type") == "user_activity") return;
  ++world_.statistics().received;
  const int64_t offset = Number(text, "offset");
  const std::string epoch = Member(text, "epoch");
  const int64_t dropped = Number(text, "dropped");
  const std::string where = name_ + " in " + room_id + " at " + std::to_string(view.last) +
                            " got " + std::to_string(offset);
  world_.statistics().dropped_told += dropped;
  if (Member(text, "replayed") == "true") {
    ++world_.statistics().replayed;
    if (offset > view.replay_end) world_.Fail(where + ": replayed beyond the replay's end");
  }
  if (!view.joined) return world_.Fail(where + ": an event without a membership");
  if (epoch != view.epoch) return world_.Fail(where + ": another epoch's event");
  if (offset <= view.last) return world_.Fail(where + ": repeated or out of order");
  if (view.expect_first) {
    // What is left is replayed, oldest first; where it begins was not promised.
    view.expect_first = false;
  } else if (offset != view.last + 1 + dropped) {
    return world_.Fail(where + ": a silent gap, told of " + std::to_string(dropped));
  }
  view.last = offset;
}

void SimClient::OnJoined(const std::string& room_id, const edge::JoinResult& result) {
  View& view = views_[room_id];
  view.joining = false;
  view.joined = true;
  view.replay_end = result.offset;
  const std::string where = name_ + " joined " + room_id;
  // Unless it was ended before the answer came, the membership just goes on.
  if (std::exchange(view.again, false) && result.epoch == view.epoch) {
    if (result.offset < view.last) world_.Fail(where + ": again, into the past");
    return;
  }
  if (view.resumed && result.recovered) {
    if (result.epoch != view.epoch) world_.Fail(where + ": recovered over an epoch");
    if (result.offset < view.last) world_.Fail(where + ": recovered into the past");
    view.expect_first = false;
    return;
  }
  if (view.resumed) ++world_.statistics().gaps_told;
  const bool same_log = view.resumed && result.epoch == view.epoch;
  view.epoch = result.epoch;
  // With the same epoch what is left is replayed up to the offset; else live events follow it.
  if (same_log && result.offset > view.last) {
    view.expect_first = true;
  } else {
    view.last = result.offset;
    view.expect_first = false;
  }
}

}  // namespace covet::sim
