#include "tests/simulation/world.h"

#include <algorithm>
#include <utility>

#include "covet/rooms/v1/storage.pb.h"
#include "tests/simulation/sim_client.h"
#include "tests/simulation/sim_edge.h"

namespace covet::sim {
namespace {

constexpr int64_t kStepUs = 20'000;
constexpr int64_t kTickUs = 100'000;
constexpr int64_t kQuietUs = 40'000'000;

std::shared_ptr<const policy::Policy> MemberPolicy() {
  policy::Role role;
  role.name = "member";
  for (const char* action : {"room:read", "room:write", "room:manage", "notify:send"}) {
    common::v1::Grant& grant = role.grants.emplace_back();
    grant.set_action(action);
    grant.set_pattern("*");
  }
  return std::make_shared<const policy::Policy>(*policy::Policy::Compile({role}));
}

std::shared_ptr<const common::v1::Identity> Administrator() {
  auto identity = std::make_shared<common::v1::Identity>();
  identity->set_user_id("admin");
  identity->add_roles("member");
  return identity;
}

}  // namespace

WorldOptions DrawOptions(Kernel& kernel) {
  WorldOptions options;
  options.edges = static_cast<int>(kernel.Random(1, 3));
  options.threads_per_edge = static_cast<int>(kernel.Random(1, 3));
  options.clients = static_cast<int>(kernel.Random(2, 8));
  options.users = static_cast<int>(kernel.Random(1, options.clients));
  options.rooms = static_cast<int>(kernel.Random(1, 4));
  options.credit_bytes = kernel.Chance(50) ? (3 << 10) : (256 << 10);
  if (kernel.Chance(30)) options.retention.max_count = kernel.Random(5, 40);
  options.memory_rooms = kernel.Chance(15);
  options.fault_percent = static_cast<int>(kernel.Random(0, 25));
  options.notify_percent = static_cast<int>(kernel.Chance(30) ? 0 : kernel.Random(1, 60));
  if (kernel.Chance(20)) options.max_pending_notifications = kernel.Random(1, 10);
  options.clock_jumps = kernel.Chance(20);
  options.steps = static_cast<int>(kernel.Random(50, 300));
  return options;
}

SimOwner::SimOwner(Kernel& kernel, Disk& disk, eventlog::MemoryMemberLeaseStore& leases,
                   const policy::PolicyStore& policy, rooms::RoomsOptions options)
    : kernel_(kernel),
      thread_(kernel, 300),
      disk_log_(kernel, disk, 4'000),
      memory_log_(kernel, memory_, 200),
      core_(std::move(options), {kernel, kernel.ids(), thread_, disk_log_, memory_log_, leases,
                                 policy, nullptr, nullptr}) {
  core_.Start([this](const absl::Status& status) { ready_ = status.ok(); });
  Tick();
}

void SimOwner::Tick() {
  thread_.Post([this] {
    if (ready_) core_.Tick();
  });
  kernel_.After(kTickUs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) Tick();
  });
}

World::World(uint64_t seed)
    : kernel_(seed), options_(DrawOptions(kernel_)), policy_(MemberPolicy()) {
  rooms_options_.patterns.push_back({"room*", options_.retention, options_.memory_rooms});
  // Small enough that reads go to the log too.
  rooms_options_.cache_records = 20;
  rooms_options_.max_pending_notifications = options_.max_pending_notifications;
  rooms_options_.notification_window_bytes = 1 << 10;
  StartOwner();
  for (int i = 0; i < options_.edges; ++i) {
    edges_.push_back(
        std::make_unique<SimEdge>(*this, options_.threads_per_edge, options_.credit_bytes));
  }
  for (int i = 0; i < options_.clients; ++i)
    clients_.push_back(std::make_unique<SimClient>(*this, i));
}

World::~World() = default;

void World::Fail(const std::string& what) {
  if (failure_.empty()) failure_ = std::to_string(kernel_.SteadyMicros()) + " us: " + what;
}

SimEdge* World::RandomEdge() {
  return edges_[kernel_.Random(0, static_cast<int64_t>(edges_.size()) - 1)].get();
}

void World::StartOwner() {
  owner_ = std::make_unique<SimOwner>(kernel_, disk_, leases_, policy_, rooms_options_);
}

void World::KillOwner() {
  ++statistics_.owner_kills;
  for (const auto& edge : edges_) edge->CutLink();
  owner_.reset();
  kernel_.After(kernel_.Random(1'000, 4'000'000), [this] {
    if (owner_ == nullptr) StartOwner();
  });
}

void World::KillEdge(size_t index) {
  ++statistics_.edge_kills;
  for (const auto& client : clients_) {
    if (client->UsesEdge(edges_[index].get())) client->Disconnect(/*edge_gone=*/true);
  }
  edges_[index] =
      std::make_unique<SimEdge>(*this, options_.threads_per_edge, options_.credit_bytes);
}

void World::DeleteRoom() {
  if (owner_ == nullptr || !owner_->ready()) return;
  rooms::v1::DeleteRoomRequest request;
  request.set_room_id("room" + std::to_string(kernel_.Random(0, options_.rooms - 1)));
  deleted_.insert(request.room_id());
  owner_->thread().Post([owner = owner_.get(), request] {
    owner->core().DeleteRoom(Administrator(), request, [](const absl::Status&) {});
  });
}

void World::Notify() {
  if (owner_ == nullptr || !owner_->ready()) return;
  rooms::v1::SendNotificationRequest request;
  request.mutable_notification()->set_notification_type("info");
  const std::string user_id = UserId(static_cast<int>(kernel_.Random(0, options_.users - 1)));
  const int64_t dice = kernel_.Random(0, 99);
  int64_t ttl_ms = 0;
  if (dice < 80) {
    request.set_user_id(user_id);
    request.mutable_notification()->set_title(user_id);
    // With a clock that jumps nobody can say when one ends.
    if (dice < 15 && !options_.clock_jumps) ttl_ms = kernel_.Random(1, 3'000);
  } else if (dice < 90) {
    request.set_room_id("room0");
    request.mutable_notification()->set_title("room");
  } else {
    request.set_everyone(true);
    request.mutable_notification()->set_title("everyone");
  }
  request.mutable_ttl()->set_seconds(ttl_ms / 1'000);
  request.mutable_ttl()->set_nanos(static_cast<int32_t>(ttl_ms % 1'000) * 1'000'000);
  owner_->thread().Post([this, owner = owner_.get(), request, user_id, ttl_ms] {
    const int64_t expires_ms = ttl_ms == 0 ? 0 : kernel_.WallMillis() + ttl_ms;
    owner->core().SendNotification(Administrator(), request, "", [=, this](const auto& response) {
      if (!response.ok() || !request.has_user_id()) return;
      notifications_.NoteAccepted(user_id, response->notification_id(), expires_ms);
    });
  });
}

void World::NoteAcknowledged(const std::string& room_id, const std::string& text, int64_t offset) {
  ++statistics_.acknowledged;
  acknowledged_[room_id][text].insert(offset);
}

void World::Step() {
  if (kernel_.Chance(options_.fault_percent)) {
    const int64_t dice = kernel_.Random(0, 99);
    if (dice < 55) {
      RandomEdge()->CutLink();
    } else if (dice < 75) {
      if (owner_ != nullptr) KillOwner();
    } else if (dice < 95) {
      KillEdge(kernel_.Random(0, static_cast<int64_t>(edges_.size()) - 1));
    } else {
      DeleteRoom();
    }
    if (options_.clock_jumps) {
      ++statistics_.clock_jumps;
      kernel_.JumpWall(kernel_.Random(-5'000, 5'000));
    }
  }
  if (kernel_.Chance(options_.notify_percent)) Notify();
  for (const auto& client : clients_) client->Step();
}

std::string World::Run() {
  for (int step = 0; step < options_.steps && failure_.empty(); ++step) {
    Step();
    kernel_.RunUntil(kernel_.SteadyMicros() + kernel_.Random(1, kStepUs));
  }
  // Quiet: everything is up, everyone is where they want to be, and time passes.
  quiet_ = true;
  if (owner_ == nullptr) StartOwner();
  const int64_t end = kernel_.SteadyMicros() + kQuietUs;
  while (kernel_.SteadyMicros() < end && failure_.empty()) {
    for (const auto& client : clients_) {
      client->ConnectIfNot();
      client->JoinAll();
    }
    kernel_.RunUntil(kernel_.SteadyMicros() + 500'000);
  }
  if (failure_.empty()) CheckLog();
  if (failure_.empty()) CheckMembers();
  if (failure_.empty()) CheckNotifications();
  return failure_;
}

// Acknowledged: in the log once, at the offset that was told. Anything else: at most once.
void World::CheckLog() {
  if (options_.memory_rooms || options_.retention.max_count > 0) return;
  for (const auto& [room_id, texts] : acknowledged_) {
    if (WasDeleted(room_id)) continue;
    std::map<std::string, std::vector<int64_t>> found;
    for (const eventlog::Record& record : disk_.logs["room:" + room_id].records) {
      rooms::v1::StoredEvent event;
      event.ParseFromString(record.data);
      found[event.payload()].push_back(record.offset);
    }
    for (const auto& [payload, offsets] : found) {
      if (offsets.size() > 1) Fail(payload.substr(0, 60) + " is stored twice in " + room_id);
    }
    for (const auto& [text, offsets] : texts) {
      const auto it = found.find("{\"text\":\"" + text + "\"}");
      if (it == found.end()) return Fail(text + " was acknowledged and is lost from " + room_id);
      if (offsets != std::set<int64_t>{it->second.front()}) Fail(text + " was told another offset");
    }
  }
}

void World::CheckMembers() {
  for (int i = 0; i < options_.rooms; ++i) {
    const std::string room_id = "room" + std::to_string(i);
    std::set<std::string> expected;
    rooms::v1::GetRoomRequest request;
    request.set_room_id(room_id);
    absl::StatusOr<rooms::v1::Room> room = absl::UnknownError("no answer");
    owner_->core().GetRoom(Administrator(), request, [&](const auto& answer) { room = answer; });
    kernel_.RunUntil(kernel_.SteadyMicros() + 50'000);
    for (const auto& client : clients_) {
      const SimClient::View& view = client->views().at(room_id);
      if (client->publishing()) return Fail(client->name() + " waits for an answer for ever");
      if (view.wanted && !view.joined) return Fail(client->name() + " cannot join " + room_id);
      if (!view.joined) continue;
      expected.insert(client->user_id());
      if (!room.ok()) return Fail(room_id + ": " + std::string(room.status().message()));
      if (view.epoch != room->epoch()) return Fail(client->name() + " has another epoch");
      if (view.last != room->last_offset() && !view.expect_first) {
        return Fail(client->name() + " ended at " + std::to_string(view.last) + " of " +
                    std::to_string(room->last_offset()) + " in " + room_id);
      }
    }
    if (room.ok() && room->member_count() != static_cast<int32_t>(expected.size())) {
      return Fail(room_id + " counts " + std::to_string(room->member_count()) + " members, not " +
                  std::to_string(expected.size()));
    }
  }
}

void World::CheckNotifications() {
  if (!disk_.broken.empty()) return Fail(disk_.broken);
  const std::string wrong = notifications_.CheckEnd(options_.max_pending_notifications);
  if (!wrong.empty()) return Fail(wrong);
  // Everyone is there and answers pings.
  if (const size_t pending = owner_->core().pending_notifications(); pending > 0) {
    Fail(std::to_string(pending) + " notifications wait for ever");
  }
}

}  // namespace covet::sim
