#pragma once

#include <memory>

#include "common/base/clock.h"
#include "covet/config/v1/services.pb.h"
#include "services/streams/domain/source.h"

namespace covet::streams::logs {

// Follows files on a thread of its own while it runs. Live as soon as the directory can be read; a
// file may be missing.
std::shared_ptr<Source> MakeLogSource(const config::v1::LogFileSourceConfig& config,
                                      const Clock& clock);

}  // namespace covet::streams::logs
