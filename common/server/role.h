#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace grpc {
class Service;
}
namespace covet {
class Clock;
class IdGenerator;
template <typename T>
class Snapshot;
}  // namespace covet
namespace covet::auth {
class Authenticator;
}
namespace covet::policy {
class Policy;
}
namespace covet::config::v1 {
class Config;
}
namespace covet::metrics {
class Registry;
}

namespace covet::server {

class CallAuthenticator;
class ChannelProvider;
struct CallTools;

// What a role is given. The pointers are good as long as the role lives.
struct RoleContext {
  // Defaults applied, validated; never changed.
  std::shared_ptr<const config::v1::Config> config;
  metrics::Registry* metrics = nullptr;
  // Authenticates the callers of gRPC services.
  CallAuthenticator* authenticator = nullptr;
  // What HandleUnary and HandleServerStream need (unary_call.h, server_stream.h); the authenticator
  // is in it.
  const CallTools* calls = nullptr;
  // Verifies credentials of users, and what roles may do. A reload renews both before Role::Reload.
  const auth::Authenticator* users = nullptr;
  const Snapshot<policy::Policy>* policy = nullptr;
  // Channels to the other roles, from Start on.
  ChannelProvider* channels = nullptr;
  const Clock* clock = nullptr;
  IdGenerator* ids = nullptr;
  // Ends the process as SIGTERM would, for a role that cannot go on. Thread-safe.
  std::function<void(absl::Status)> fail;
};

// One role of the process: edge, rooms, streams, rpc or files. Every call comes on the main thread,
// in this order:
//   factory      opens what the role owns (files, stores); an error ends the process with status 1
//   services     what the process's gRPC server is to serve; it starts then, and calls may come in
//   Start        opens channels, begins to accept. Services start before the edge
//   Reload       any number of times, on SIGHUP
//   Drain        the edge first; the services when the edge is done
//   Stop         the edge after its drain; services after the gRPC server is down, in reverse
//   order. Also after a failed
//                start, whether or not Start was called
//   destructor
class Role {
 public:
  virtual ~Role() = default;

  virtual std::string_view name() const = 0;
  // gRPC services, owned by the role and alive until its destructor. Their health is SERVING
  // between Start and Drain.
  virtual std::vector<grpc::Service*> services() { return {}; }
  virtual absl::Status Start() = 0;
  // Whether /readyz may succeed, from Start on. Thread-safe.
  virtual bool Ready() const = 0;
  // Takes no new work and finishes what is in flight; calls `done` once, from any thread, possibly
  // at once. The process goes on without it after `deadline_ms` milliseconds.
  virtual void Drain(int64_t deadline_ms, std::function<void()> done) = 0;
  // Lets go of threads and files. Blocks until nothing of the role runs any more.
  virtual void Stop() = 0;
  // The configuration changed in fields that can be reloaded; other fields are as before.
  virtual void Reload(std::shared_ptr<const config::v1::Config> config) = 0;
};

using RoleFactory = std::function<absl::StatusOr<std::unique_ptr<Role>>(const RoleContext&)>;

}  // namespace covet::server
