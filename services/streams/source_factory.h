#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/backends/backend.h"
#include "common/base/clock.h"
#include "covet/config/v1/config.pb.h"
#include "services/streams/domain/source.h"

namespace covet::streams {

// What sources need of the process; it outlives them.
struct SourceTools {
  const Clock& clock;
  // Null where no resource had a `backend_stream` at the start.
  backends::Backends* backends = nullptr;
};

// The source that `resource` asks for, null where its records come by Publish alone.
// INVALID_ARGUMENT says why there can be none.
absl::StatusOr<std::shared_ptr<Source>> MakeSource(const config::v1::Config& config,
                                                   const config::v1::StreamResourceConfig& resource,
                                                   const SourceTools& tools);

}  // namespace covet::streams
