#pragma once

#include <google/protobuf/descriptor.pb.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/backends/channel.h"
#include "common/protojson/schema.h"

namespace covet::backends {

// Asks a server's reflection (grpc.reflection.v1, then v1alpha) for the files that declare
// services, and for all that these import.
class ReflectionFetch {
 public:
  using Files = std::vector<google::protobuf::FileDescriptorProto>;
  // Runs once, on a gRPC thread; must not block. Services that the server does not know are left
  // out. RESOURCE_EXHAUSTED beyond `limits`, INVALID_ARGUMENT for what are no descriptors,
  // UNIMPLEMENTED without reflection, else as the call failed.
  using Done = std::function<void(absl::StatusOr<Files>)>;

  struct Options {
    std::vector<std::string> services;
    std::vector<std::pair<std::string, std::string>> metadata;
    protojson::SchemaLimits limits;
    int64_t timeout_ms = 20'000;
  };

  // Starts at once. `channel` must live until `done` has run.
  static std::shared_ptr<ReflectionFetch> Start(Channel* channel, Options options, Done done);

  virtual ~ReflectionFetch() = default;
  // `done` runs soon, with CANCELLED. Thread-safe.
  virtual void Cancel() = 0;
};

}  // namespace covet::backends
