#pragma once

#include <string>
#include <vector>

#include "covet/config/v1/config.pb.h"

namespace covet::config {

// What a reload changes, as key paths such as `limits.messages` or `rooms.patterns`.
struct Changes {
  std::vector<std::string> reloaded;
  std::vector<std::string> need_restart;
};

// Compares two configurations and puts the old value back into `next` wherever a change needs a
// restart.
Changes KeepWhatNeedsRestart(const v1::Config& current, v1::Config* next);

}  // namespace covet::config
