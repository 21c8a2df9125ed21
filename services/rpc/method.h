#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/backends/backend.h"
#include "common/backends/call.h"
#include "covet/common/v1/common.pb.h"

namespace google::protobuf {
class Descriptor;
}

namespace covet::rpc {

class BackendMetrics;

// A call as a client asks for it. Views are good while the call is started.
struct CallRequest {
  const common::v1::Identity& identity;
  std::string_view correlation_id;
  std::string_view method;  // As the caller names it.
  std::string_view params;  // JSON text of an object.
  int64_t timeout_ms = 0;   // What is left.
};

// A unary method that clients can call: of a backend, of one of our own services, or built in.
// Immutable, thread-safe; outlives its calls, which hold a reference.
class Method {
 public:
  virtual ~Method() = default;

  // Starts a call. `done` runs once, possibly at once; then the result may be null. Does not block.
  virtual std::shared_ptr<backends::BackendCall> Call(const CallRequest& request,
                                                      backends::CallDone done) const = 0;
  virtual const google::protobuf::Descriptor& params() const = 0;
  virtual const google::protobuf::Descriptor& result() const = 0;

  // What `rpc:call` has to be held on, however a call spells the method.
  const std::string& permission_name() const { return name.empty() ? grpc_method : name; }

  std::string name;         // `<prefix>.<snake_case>`; empty where there is no prefix.
  std::string grpc_method;  // `package.Service/Method`
  std::string description;  // Empty where nobody knows one.
  // Whose it is, for people and metrics: a name of `backends`, `rooms`, `streams`, `files`, `rpc`.
  std::string backend;
  bool idempotent = false;
  BackendMetrics* metrics = nullptr;  // Of `backend`.
};
using MethodPtr = std::shared_ptr<const Method>;

}  // namespace covet::rpc
