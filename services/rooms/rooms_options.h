#pragma once

#include "covet/config/v1/config.pb.h"
#include "services/rooms/domain/options.h"

namespace covet::rooms {

// What the configuration says of rooms.
RoomsOptions OptionsFrom(const config::v1::Config& config);

}  // namespace covet::rooms
