#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "edge/session/session_thread.h"
#include "edge/transport/connection.h"

namespace covet::edge {

// A connection whose credential was refused: a browser cannot read an HTTP status, so the upgrade
// is completed, the client is told by `error`, and the connection closed with 4401 for an expired
// credential, else 4501. Nothing that the client sends is looked at.
class RefusedSession final : public ConnectionHandler {
 public:
  // `status` is AUTH_FAILED or AUTH_EXPIRED. Sends and closes at once.
  RefusedSession(SessionThread& thread, Connection& connection, const absl::Status& status,
                 std::shared_ptr<void> slot);

  void OnText(std::string_view /*message*/) override {}
  void OnBinary(std::string_view /*message*/) override {}
  void OnPong(std::string_view /*payload*/) override {}
  void OnDrained() override {}
  void OnClosed(uint16_t code) override;

 private:
  SessionThread& thread_;
  std::shared_ptr<void> slot_;
};

}  // namespace covet::edge
