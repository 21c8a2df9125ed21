#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/backends/call.h"
#include "common/backends/circuit_breaker.h"
#include "common/backends/method_table.h"
#include "covet/config/v1/services.pb.h"

namespace covet::metrics {
class Registry;
}

namespace covet::backends {

// A call in flight, or over.
class BackendCall {
 public:
  virtual ~BackendCall() = default;
  // The call ends soon as CANCELLED unless it ended otherwise. Thread-safe; any number of times.
  virtual void Cancel() = 0;
};

// Reads a server-streaming method. Its functions are called one at a time, on gRPC threads or on
// the thread that opens the stream, and must not block. Owned by whoever opens the stream, and
// alive until OnEnd has been called.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  // The backend has answered with its headers; before any record.
  virtual void OnOpen() {}
  // The record asked for by BackendStream::Next, as JSON text.
  virtual void OnRecord(std::string json) = 0;
  // Once, last. `error` is null if the backend ended the stream with OK.
  virtual void OnEnd(const CallError* error) = 0;
};

// A server-streaming call. Thread-safe.
class BackendStream : public BackendCall {
 public:
  // Asks for one record more. Nothing is read unasked, so gRPC's flow control reaches the backend.
  // To be called again only after OnRecord, or as the last thing in it: the record may come at
  // once, on another thread.
  virtual void Next() = 0;
};

// For metrics and for people.
struct BackendState {
  bool connected = false;
  BreakerState breaker = BreakerState::kClosed;
  std::string last_error;   // Of the connection or of the schema; empty when all is well.
  uint64_t generation = 0;  // Of the schema; 0 while there is none.
  int64_t in_flight = 0;    // Unary calls and streams.
  int64_t refused = 0;      // By the concurrency limit or the breaker, since the start.
  int64_t retries = 0;      // Of idempotent methods, since the start.
};

// One gRPC server, or several with the same services: a kept channel, the methods found there, and
// calls of them with JSON in and out. Made by Backends. Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual const std::string& name() const = 0;
  // What it offers; null until a schema was found.
  virtual std::shared_ptr<const MethodTable> methods() const = 0;
  virtual BackendState state() const = 0;

  // Calls a unary method of one of its tables with a JSON object. Errors of the params end the call
  // as INVALID_ARGUMENT and name fields below `params`. Returns null if `done` was called at once.
  virtual std::shared_ptr<BackendCall> Call(MethodRef method, std::string_view params,
                                            CallOptions options, CallDone done) = 0;

  // Opens a server-streaming method. Nothing comes before the first Next. Never null; OnEnd may
  // have been called already. Errors of `request` name fields below `request`.
  virtual std::shared_ptr<BackendStream> OpenStream(MethodRef method, std::string_view request,
                                                    const CallOptions& options,
                                                    StreamReader* reader) = 0;

  // Loads the schema anew soon, at most once a second.
  virtual void Refresh() = 0;
};

// A backend's methods were found or changed: `backend.methods()` is the new table. Called on the
// backends' thread, one at a time; may not destroy the Backends.
using MethodsChanged = std::function<void(Backend& backend)>;

// The backends of a role. Owns their channels and one thread, which watches connections, loads
// schemas and waits between retries.
class Backends {
 public:
  struct Options {
    std::string role;  // Whose backends these are, for metrics.
    int64_t refresh_interval_ms = 60'000;
    int64_t max_message_bytes = int64_t{4} << 20;  // Of a response or a record, on the wire.
    // Of a response or a record as JSON; more is MESSAGE_TOO_LARGE.
    int64_t max_json_bytes = int64_t{4} << 20;
    metrics::Registry* metrics = nullptr;  // May be null; outlives this.
    MethodsChanged methods_changed;        // May be null.
  };

  // Reads certificates, secrets and descriptor sets; INVALID_ARGUMENT or NOT_FOUND, naming the
  // backend, if they are not there or no good. Whether the backends answer does not matter: their
  // methods appear when they do.
  static absl::StatusOr<std::unique_ptr<Backends>> Create(
      const std::map<std::string, config::v1::BackendConfig>& configs, Options options);

  // As Stop. On the main thread: channels are destroyed here.
  virtual ~Backends() = default;

  // Connects and loads schemas. Once.
  virtual void Start() = 0;
  // Cancels what is in flight and waits until it is over; new calls end as UNAVAILABLE. Idempotent.
  virtual void Stop() = 0;

  // Null if there is none of this name.
  virtual Backend* Find(std::string_view name) = 0;
  // In the order of their names.
  virtual const std::vector<Backend*>& all() const = 0;
};

}  // namespace covet::backends
