#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/limits/address.h"
#include "edge/session/session_thread.h"
#include "edge/transport/http.h"

namespace covet::edge {

// Decides who may connect at /ws, in this order: draining (503), origin (403), blocked addresses
// and the cap on attempts of an address (403, 429), max_connections (503), then credentials. A bad
// credential completes the upgrade and is told there (RefusedSession), unless its address has
// failed too often (429). Everything else over HTTP is 404, or 405 and 426 at /ws. Called on every
// edge thread.
class SessionUpgrade final : public UpgradeHandler, public HttpHandler {
 public:
  // One SessionThread for each edge thread, in their order. All must outlive this.
  SessionUpgrade(SessionShared& shared, std::vector<SessionThread*> threads);

  UpgradeDecision OnUpgrade(const HttpRequest& request) override;
  HttpResponse OnRequest(const HttpRequest& request) override;

 private:
  UpgradeDecision Accept(const HttpRequest& request, SessionThread& thread,
                         const limits::IpAddress& address, std::shared_ptr<void> slot);
  // A place among max_connections, given back with the last copy; null if there is none left.
  std::shared_ptr<void> TakeSlot(int64_t max_connections);

  SessionShared& shared_;
  const std::vector<SessionThread*> threads_;
};

}  // namespace covet::edge
