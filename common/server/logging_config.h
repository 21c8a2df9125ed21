#pragma once

#include "common/logging/log.h"
#include "covet/config/v1/config.pb.h"

namespace covet::server {

inline log::Level LogLevelOf(const config::v1::LoggingConfig& config) {
  switch (config.level()) {
    case config::v1::LOG_LEVEL_DEBUG:
      return log::Level::kDebug;
    case config::v1::LOG_LEVEL_WARNING:
      return log::Level::kWarning;
    case config::v1::LOG_LEVEL_ERROR:
      return log::Level::kError;
    default:
      return log::Level::kInfo;
  }
}

}  // namespace covet::server
