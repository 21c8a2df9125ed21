#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/protojson/schema.h"
#include "covet/rpc/v1/builtin.pb.h"
#include "services/rpc/calls.h"
#include "services/rpc/connection_tester.h"
#include "services/rpc/method.h"
#include "services/rpc/rpc_metrics.h"

namespace covet::rpc {

using Databases = std::map<std::string, Database, std::less<>>;

// What the methods of builtin.proto do. Thread-safe; all that it is given outlives it.
class Builtin {
 public:
  template <typename Response>
  using Done = std::function<void(std::variant<Response, backends::CallError>)>;
  using Started = std::shared_ptr<backends::BackendCall>;

  Builtin(const Clock& clock, const Calls& calls, const Databases& databases,
          ConnectionTester& tester)
      : clock_(clock), calls_(calls), databases_(databases), tester_(tester) {}

  // As Method::Call. The identity and the time left are those of the call.
  Started Ping(const CallRequest& call, const v1::PingRequest& request,
               Done<v1::PingResponse> done) const;
  Started Methods(const CallRequest& call, const v1::ListMethodsRequest& request,
                  Done<v1::ListMethodsResponse> done) const;
  Started TestConnection(const CallRequest& call, const v1::TestConnectionRequest& request,
                         Done<v1::TestConnectionResponse> done) const;

 private:
  const Clock& clock_;
  const Calls& calls_;
  const Databases& databases_;
  ConnectionTester& tester_;
};

// `system.…` and `database.…`. `builtin` must outlive their calls.
std::vector<MethodPtr> BuiltinMethods(const Builtin& builtin,
                                      std::shared_ptr<const protojson::Schema> schema,
                                      RpcMetrics& metrics);

}  // namespace covet::rpc
