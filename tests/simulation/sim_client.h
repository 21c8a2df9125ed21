#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "covet/common/v1/common.pb.h"
#include "edge/rooms/room_gateway.h"
#include "edge/transport/outbound_queue.h"
#include "tests/simulation/sim_edge.h"

namespace covet::sim {

class World;

// A user's program: it is connected or not, wants to be in some rooms, publishes with its own keys
// until it is acknowledged, and holds every frame against what it has seen before.
class SimClient {
 public:
  SimClient(World& world, int index);
  ~SimClient();

  void Step();
  // Its edge has been killed, or its socket cut.
  void Disconnect(bool edge_gone);
  bool UsesEdge(const SimEdge* edge) const;
  void ConnectIfNot();
  void JoinAll();

  // What it has seen of a room.
  struct View {
    bool wanted = false;
    bool joining = false;
    bool joined = false;
    std::string epoch;  // Empty: nothing seen.
    int64_t last = 0;
    bool resumed = false;  // This join asked to go on from `last`.
    bool again = false;    // This join is made from inside the room and only replaces the options.
    int64_t replay_end = 0;
    bool expect_first = false;  // After an announced gap the next offset may be any above `last`.
  };
  const std::map<std::string, View>& views() const { return views_; }
  bool connected() const { return socket_ != nullptr; }
  bool publishing() const { return outstanding_.has_value(); }
  const std::string& name() const { return name_; }
  const std::string& user_id() const { return user_id_; }

 private:
  class Socket;
  friend class Socket;

  void Connect();
  void Join(const std::string& room_id);
  void Leave(const std::string& room_id);
  void Publish();
  void SendOutstanding();
  void OnJoined(const std::string& room_id, const edge::JoinResult& result);
  void OnRoomLeft(const std::string& room_id, const std::string& reason);
  void OnEvent(const std::string& text);
  std::string RandomRoom();

  void OnNotification(const std::string& text);

  World& world_;
  const std::string name_;
  const std::string user_id_;  // Other clients may have the same.
  std::map<std::string, View> views_;
  std::shared_ptr<Socket> socket_;
  struct Outstanding {
    std::string room_id;
    std::string text;
    bool sent = false;
  };
  std::optional<Outstanding> outstanding_;
  int64_t next_message_ = 1;
};

}  // namespace covet::sim
