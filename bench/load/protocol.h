#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace covet::bench {

// What a text message from a server means to a load connection. Deliveries are found by their
// payload, before a protocol is asked (see delivery.h).
struct Incoming {
  enum class Kind : uint8_t { kOther, kReady, kJoined, kAck, kError };
  Kind kind = Kind::kOther;
  std::string_view reply = {};  // To be sent back at once; static text.
};

// How one kind of server is spoken to. Stateless: one instance serves every connection.
class Protocol {
 public:
  virtual ~Protocol() = default;

  // The request target where the URL gives none.
  virtual std::string_view default_target() const = 0;
  // Whether the upgrade alone makes a connection ready, or a message of Kind::kReady does.
  virtual bool ready_on_upgrade() const = 0;
  virtual Incoming Classify(std::string_view text) const = 0;
  virtual std::string Join(const std::string& room, uint64_t id) const = 0;
  // `payload` is a JSON object.
  virtual std::string Publish(const std::string& room, uint64_t id,
                              const std::string& payload) const = 0;
};

// `name` is "covet", "plain" (the floor, and the peer built on npm's ws) or "socketio" (Socket.IO
// protocol 5 over Engine.IO 4 on the websocket transport).
absl::StatusOr<std::unique_ptr<Protocol>> MakeProtocol(const std::string& name);

}  // namespace covet::bench
