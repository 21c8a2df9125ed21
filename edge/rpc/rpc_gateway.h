#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "covet/common/v1/common.pb.h"

namespace covet::edge {

// A call as a session asks for it.
struct CallParams {
  const common::v1::Identity* identity = nullptr;  // Good during the call of Start.
  std::string correlation_id;
  std::string method;
  std::string params;  // JSON text of an object, validated.
  int64_t timeout_ms = 0;
  int64_t ttl_ms = 0;  // How long it may wait before it is started; 0 for any time.
};

// How a call ended.
struct CallOutcome {
  std::string code;     // Empty for success.
  std::string message;  // With a code.
  // The result as JSON text, or with a code `details` as JSON text of an object, empty if there are
  // none.
  std::string json;
  bool ok() const { return code.empty(); }
};

// Methods as the sessions of one edge thread call them. Every call and callback is made on that
// thread.
class RpcGateway {
 public:
  virtual ~RpcGateway() = default;

  // A number for the next call: never 0, never the same twice.
  virtual uint64_t NextCall() = 0;
  // `done` runs once, later, unless the call is cancelled: with what the backend answered, with
  // RPC_TIMEOUT when `timeout_ms` is over, with UNAVAILABLE where the rpc service is away; nothing
  // is ever repeated. False, and `done` never runs, if too much waits for the rpc service.
  virtual bool Start(uint64_t call, CallParams params, std::function<void(CallOutcome)> done) = 0;
  // The call is of no interest any more; the backend hears of it. Does nothing if it has ended.
  virtual void Cancel(uint64_t call) = 0;
};

}  // namespace covet::edge
