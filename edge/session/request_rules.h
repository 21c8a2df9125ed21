#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <variant>

#include "edge/codec/client_messages.h"

namespace covet::edge {

// How the edge treats one kind of request, whoever answers it.
struct RequestRules {
  std::string_view type;
  // Against the connection's rate of messages.
  bool counted;
  // Begins something: refused as UNAVAILABLE while the edge drains.
  bool new_work;
};

// By ClientBody's alternatives.
inline constexpr std::array<RequestRules, std::variant_size_v<ClientBody>> kRequestRules = {{
    {"heartbeat", false, false},
    {"join_room", true, true},
    {"leave_room", false, false},
    {"room_message", true, true},
    {"subscribe", true, true},
    {"unsubscribe", false, false},
    {"rpc_call", true, true},
    {"rpc_cancel", false, false},
    {"notification_ack", false, false},
    {"auth_refresh", false, false},
    {"file_upload_start", true, true},
    {"file_chunk", false, false},
    {"file_upload_resume", false, true},
    {"file_upload_cancel", true, false},
}};

inline const RequestRules& RulesOf(const ClientBody& body) { return kRequestRules[body.index()]; }

// The index of an alternative of ClientBody.
template <typename Body, size_t I = 0>
constexpr size_t KindOf() {
  if constexpr (std::is_same_v<Body, std::variant_alternative_t<I, ClientBody>>) {
    return I;
  } else {
    return KindOf<Body, I + 1>();
  }
}

static_assert(kRequestRules[KindOf<RoomMessage>()].type == "room_message");
static_assert(kRequestRules[KindOf<RpcCallMessage>()].type == "rpc_call");
static_assert(kRequestRules[KindOf<FileUploadCancelMessage>()].type == "file_upload_cancel");

}  // namespace covet::edge
