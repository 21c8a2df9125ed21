#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/eventlog/memory_member_lease_store.h"
#include "common/policy/policy.h"
#include "services/rooms/domain/rooms_core.h"
#include "tests/simulation/kernel.h"
#include "tests/simulation/notification_ledger.h"
#include "tests/simulation/sim_log.h"

namespace covet::sim {

// What varies between runs; drawn from the seed.
struct WorldOptions {
  int edges = 2;
  int threads_per_edge = 2;
  int clients = 6;
  int users = 6;  // Whose clients they are.
  int rooms = 3;
  int64_t credit_bytes = 64 << 10;
  eventlog::Retention retention;
  bool memory_rooms = false;
  int fault_percent = 10;  // Of the steps.
  int notify_percent = 20;
  int32_t max_pending_notifications = 1'000;
  bool clock_jumps = false;
  int steps = 300;
};

WorldOptions DrawOptions(Kernel& kernel);

class SimEdge;
class SimClient;

// The owner's process: a core on a thread over logs that survive it, or not.
class SimOwner {
 public:
  SimOwner(Kernel& kernel, Disk& disk, eventlog::MemoryMemberLeaseStore& leases,
           const policy::PolicyStore& policy, rooms::RoomsOptions options);

  bool ready() const { return ready_; }
  rooms::RoomsCore& core() { return core_; }
  Thread& thread() { return thread_; }

 private:
  void Tick();

  Kernel& kernel_;
  Thread thread_;
  Disk memory_;  // Gone with the process.
  SimLog disk_log_;
  SimLog memory_log_;
  rooms::RoomsCore core_;
  bool ready_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Everything: one owner, some edges, clients that come and go, and the faults between them. Check
// says what, if anything, a client saw that it must not have seen.
class World {
 public:
  World(uint64_t seed);
  ~World();

  // Runs the whole story: faults first, then quiet, then the check. Empty if all was well.
  std::string Run();

  Kernel& kernel() { return kernel_; }
  const WorldOptions& options() const { return options_; }
  SimOwner* owner() { return owner_.get(); }
  SimEdge* RandomEdge();
  bool quiet() const { return quiet_; }
  void Fail(const std::string& what);

  std::string UserId(int index) const { return "user" + std::to_string(index); }
  NotificationLedger& notifications() { return notifications_; }

  // What a client was told is committed: room, its message's text, offset.
  void NoteAcknowledged(const std::string& room_id, const std::string& text, int64_t offset);
  // Room epochs in which a room was deleted by the story, so that a loss is no loss.
  bool WasDeleted(const std::string& room_id) const { return deleted_.contains(room_id); }

  struct Statistics {
    int64_t received = 0;
    int64_t acknowledged = 0;
    int64_t replayed = 0;
    int64_t gaps_told = 0;
    int64_t resets = 0;
    int64_t dropped_told = 0;
    int64_t owner_kills = 0;
    int64_t edge_kills = 0;
    int64_t cuts = 0;
    int64_t clock_jumps = 0;
  };
  Statistics& statistics() { return statistics_; }

 private:
  void Step();
  void KillOwner();
  void StartOwner();
  void KillEdge(size_t index);
  void DeleteRoom();
  void Notify();
  void CheckLog();
  void CheckMembers();
  void CheckNotifications();

  Kernel kernel_;
  WorldOptions options_;
  Disk disk_;
  eventlog::MemoryMemberLeaseStore leases_;
  policy::PolicyStore policy_;
  rooms::RoomsOptions rooms_options_;
  std::unique_ptr<SimOwner> owner_;
  std::vector<std::unique_ptr<SimEdge>> edges_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::map<std::string, std::map<std::string, std::set<int64_t>>> acknowledged_;
  std::set<std::string> deleted_;
  NotificationLedger notifications_;
  Statistics statistics_;
  std::string failure_;
  bool quiet_ = false;
};

}  // namespace covet::sim
