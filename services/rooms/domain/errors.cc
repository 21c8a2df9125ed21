#include "services/rooms/domain/errors.h"

namespace covet::rooms {

absl::Status RoomNotFound(std::string_view room_id) {
  return MakeError(ErrorCode::kRoomNotFound, "There is no room " + std::string(room_id),
                   {{"room_id", std::string(room_id)}});
}

absl::Status RoomExists(std::string_view room_id) {
  return MakeError(ErrorCode::kAlreadyExists,
                   "There is a room " + std::string(room_id) + " already",
                   {{"room_id", std::string(room_id)}});
}

absl::Status DefinitionTooLarge(int64_t limit, int64_t size) {
  return MakeError(ErrorCode::kMessageTooLarge,
                   "The metadata and grants of a room may have " + std::to_string(limit) +
                       " bytes, these have " + std::to_string(size),
                   {{"limit", std::to_string(limit)}, {"size", std::to_string(size)}});
}

absl::Status NotJoined(std::string_view room_id) {
  return MakeError(ErrorCode::kPermissionDenied,
                   "Join " + std::string(room_id) + " on this connection before sending to it",
                   {{"reason", "NOT_JOINED"},
                    {"room_id", std::string(room_id)},
                    {"action", "room:write"},
                    {"resource", std::string(room_id)}});
}

absl::Status EpochChanged(std::string_view room_id) {
  return MakeError(ErrorCode::kEpochChanged,
                   "The log of " + std::string(room_id) + " has begun anew",
                   {{"room_id", std::string(room_id)}});
}

absl::Status UnknownSession(std::string_view session_id) {
  return MakeError(ErrorCode::kNotFound, "There is no live session " + std::string(session_id),
                   {{"session_id", std::string(session_id)}});
}

}  // namespace covet::rooms
