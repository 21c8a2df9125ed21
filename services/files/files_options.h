#pragma once

#include "covet/config/v1/config.pb.h"
#include "services/files/domain/options.h"

namespace covet::files {

// `config` is validated. `url_key` is the caller's to fill in.
FilesOptions OptionsFrom(const config::v1::Config& config);

}  // namespace covet::files
