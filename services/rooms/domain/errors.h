#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/errors/error.h"

namespace covet::rooms {

// What the rooms service refuses with, one constructor for each reason.

absl::Status RoomNotFound(std::string_view room_id);
absl::Status RoomExists(std::string_view room_id);
absl::Status PermissionDenied(std::string_view action, std::string_view resource);
absl::Status NotJoined(std::string_view room_id);
absl::Status InvalidField(std::string_view field, std::string_view expected,
                          std::string_view received);
absl::Status PayloadTooLarge(int64_t limit, int64_t size);
absl::Status EpochChanged(std::string_view room_id);
absl::Status Unavailable(std::string_view why);
absl::Status UnknownSession(std::string_view session_id);

}  // namespace covet::rooms
