#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "covet/config/v1/config.pb.h"
#include "services/streams/domain/options.h"
#include "services/streams/source_factory.h"

namespace covet::streams {

// What the configuration says of the service.
StreamsOptions OptionsFrom(const config::v1::Config& config);

// The resources that it declares, with their sources. INVALID_ARGUMENT for a source that cannot be.
absl::StatusOr<std::vector<ResourceDefinition>> DefinitionsFrom(const config::v1::Config& config,
                                                                const SourceTools& tools);

}  // namespace covet::streams
