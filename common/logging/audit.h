#pragma once

#include <string_view>

#include "common/logging/log.h"

namespace covet::audit {

// What the audit log tells. Every kind of record is named here and nowhere else; fields in
// brackets.
namespace event {
// An edge accepted a session [session_id, user_id, address, credential].
inline constexpr std::string_view kConnected = "connected";
// A session ended [session_id, user_id, close_code].
inline constexpr std::string_view kDisconnected = "disconnected";
// A connection was refused: origin, blocked address, rate, authentication [address, reason].
inline constexpr std::string_view kConnectionRefused = "connection_refused";
// An address is blocked for a while [address, seconds].
inline constexpr std::string_view kAddressBlocked = "address_blocked";
// A token was renewed in place [session_id, user_id].
inline constexpr std::string_view kTokenRenewed = "token_renewed";
// An action was refused for lack of permission. Told once, where the action came in: by the edge
// [session_id, user_id, action, resource, reason, correlation_id], or by the service that was
// called over gRPC [method in place of session_id], but not in calls that a peer makes for a user.
// Not told are refusals that nobody waits for any more (a call cancelled or out of time, a stream
// whose permission is withdrawn) and those of others' backends under a reason of their own.
inline constexpr std::string_view kPermissionDenied = "permission_denied";
// A user's session joined a room [session_id, user_id, room_id].
inline constexpr std::string_view kRoomJoined = "room_joined";
// A user's session left a room or was taken out of it [session_id, user_id, room_id, reason].
inline constexpr std::string_view kRoomLeft = "room_left";
// Someone who may manage a room published into it over gRPC [user_id, room_id, offset].
inline constexpr std::string_view kAdminPublished = "admin_published";
// Someone made, changed or deleted a room [user_id, room_id, change].
inline constexpr std::string_view kRoomChanged = "room_changed";
// Someone removed a member [user_id, room_id, removed_user_id].
inline constexpr std::string_view kMemberRemoved = "member_removed";
// Someone sent a notification [user_id, recipient].
inline constexpr std::string_view kNotificationSent = "notification_sent";
// A user's file was uploaded, deleted, or expired [user_id, file_id, upload_id, change,
// correlation_id; empty for what nobody asked for].
inline constexpr std::string_view kFileChanged = "file_changed";
// A gRPC caller could not be authenticated [address, method, reason].
inline constexpr std::string_view kCallRefused = "call_refused";
// The configuration was read anew [changed].
inline constexpr std::string_view kConfigReloaded = "config_reloaded";
}  // namespace event

// Writes one record: a log line with `"audit":true`, to the audit file if there is one, else to the
// main log, whatever the log's level. None is dropped: when its queue is full the call waits for
// the writer. Thread-safe.
void Record(std::string_view event, log::Fields fields);

}  // namespace covet::audit
