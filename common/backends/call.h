#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// What a call of a backend is given and how it ends.
namespace covet::backends {

struct CallOptions {
  // The gRPC deadline, from now; 0 for none (streams). Below 0 it has passed.
  int64_t timeout_ms = 10'000;
  // Beside the backend's configured ones. Keys are lower case; those that end in `-bin` carry any
  // bytes. Reserved and malformed keys and values are refused with INVALID_ARGUMENT.
  std::vector<std::pair<std::string, std::string>> metadata;
};

// An error as `rpc_error` shows it.
struct CallError {
  // The reason of the backend's ErrorInfo, else a code of the protocol or the name of the gRPC
  // status: RPC_TIMEOUT, CANCELLED, INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE, INTERNAL, …
  std::string code;
  // For people.
  std::string message;
  // A JSON object as text, empty if there is nothing to tell. ErrorInfo's metadata; beside it,
  // where the backend sent them, `field_violations` (BadRequest) and other details by type under
  // `details`. Covet's own errors have `field`, `expected`, `received`.
  std::string details;
  // How long to wait before asking again, in milliseconds; 0 if that would not help.
  int64_t retry_after_ms = 0;
  // The gRPC status code, 1 … 16.
  int grpc_status = 2;
};

// JSON text of the response message, or what went wrong.
using CallResult = std::variant<std::string, CallError>;
// Runs once, on a gRPC thread or on the thread that starts the call; must not block.
using CallDone = std::function<void(CallResult)>;

}  // namespace covet::backends
