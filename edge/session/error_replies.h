#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "common/errors/error.h"
#include "edge/codec/messages.h"
#include "edge/rooms/room_gateway.h"

namespace covet::edge {

// What `error` and `rpc_error` say, beside the ToErrorMessage of edge/codec/messages.h.

inline ErrorMessage MakeErrorMessage(ErrorCode code, std::string message,
                                     ErrorDetails details = {}) {
  return {std::string(TraitsOf(code).protocol_code), std::move(message), std::move(details), {}};
}

inline ErrorMessage ToErrorMessage(RoomError error) {
  return {std::move(error.code), std::move(error.message), std::move(error.details), {}};
}

}  // namespace covet::edge
