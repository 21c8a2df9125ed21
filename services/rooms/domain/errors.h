#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/errors/error.h"
#include "common/errors/refusals.h"

namespace covet::rooms {

// What the rooms service refuses with beside common/errors/refusals.h, one constructor for each
// reason.

absl::Status RoomNotFound(std::string_view room_id);
absl::Status RoomExists(std::string_view room_id);
// Of the metadata and grants that a caller gave.
absl::Status DefinitionTooLarge(int64_t limit, int64_t size);
absl::Status NotJoined(std::string_view room_id);
absl::Status EpochChanged(std::string_view room_id);
absl::Status UnknownSession(std::string_view session_id);

}  // namespace covet::rooms
