#include "services/rooms/room_service.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/logging/audit.h"
#include "common/payload/struct_json.h"
#include "common/server/core_reply.h"
#include "common/server/server_stream.h"
#include "services/rooms/domain/errors.h"
#include "services/rooms/room_watch.h"

namespace covet::rooms {
namespace {

using server::CallInfo;
using server::IdentityOf;
using server::Into;
using server::UnaryDone;

// A unary method that is one call of the core.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* Delegate(const ServiceTools& tools, grpc::CallbackServerContext* context,
                                   std::string_view method, const Request* request,
                                   Response* response,
                                   void (RoomsCore::*act)(const IdentityPtr&, const Request&,
                                                          RoomsCore::Reply<Response>)) {
  return server::HandleUnary(
      tools.calls, context, method, request, response,
      [&](const CallInfo& call, const Request& asked, Response* out, UnaryDone done) {
        tools.executor.Post([&core = tools.core, act, caller = IdentityOf(call), &asked, out,
                             done] { (core.*act)(caller, asked, Into(out, done)); });
      });
}

void AuditChange(const CallInfo& call, const std::string& room_id, const char* change) {
  audit::Record(audit::event::kRoomChanged, {{"user_id", call.caller.identity.user_id()},
                                             {"room_id", room_id},
                                             {"change", change},
                                             {"correlation_id", call.correlation_id}});
}

absl::Status CheckNotification(const v1::Notification& notification) {
  static constexpr std::string_view kTypes[] = {"info", "warning", "error", "success"};
  constexpr size_t kMaxTitle = 256;
  constexpr size_t kMaxMessage = 4'096;
  constexpr int kMaxActions = 16;
  constexpr int64_t kMaxBytes = 64 << 10;
  const auto size = static_cast<int64_t>(notification.ByteSizeLong());
  if (size > kMaxBytes) return PayloadTooLarge(kMaxBytes, size);
  const std::string& type = notification.notification_type();
  if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes)) {
    return InvalidField("notification.notification_type", "info, warning, error or success", type);
  }
  if (notification.title().empty() || notification.title().size() > kMaxTitle) {
    return InvalidField("notification.title", "1 to 256 bytes",
                        std::to_string(notification.title().size()));
  }
  if (notification.message().size() > kMaxMessage) {
    return InvalidField("notification.message", "at most 4096 bytes",
                        std::to_string(notification.message().size()));
  }
  if (notification.actions_size() > kMaxActions) {
    return InvalidField("notification.actions", "at most 16",
                        std::to_string(notification.actions_size()));
  }
  for (const v1::NotificationAction& action : notification.actions()) {
    if (!action.has_params()) continue;
    if (const auto json = payload::PayloadToJson(action.params()); !json.ok()) {
      return InvalidField("notification.actions.params", "a Struct, or JSON text",
                          std::string(json.status().message()));
    }
  }
  return absl::OkStatus();
}

std::string RecipientOf(const v1::SendNotificationRequest& request) {
  if (request.has_user_id()) return "user:" + request.user_id();
  if (request.has_session_id()) return "session:" + request.session_id();
  if (request.has_room_id()) return "room:" + request.room_id();
  return "everyone";
}

}  // namespace

#define COVET_METHOD(name) "/covet.rooms.v1.RoomService/" name

grpc::ServerUnaryReactor* RoomService::CreateRoom(grpc::CallbackServerContext* context,
                                                  const v1::CreateRoomRequest* request,
                                                  v1::Room* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("CreateRoom"), request, response,
      [&](const CallInfo& call, const v1::CreateRoomRequest& asked, v1::Room* out, UnaryDone done) {
        tools_.executor.Post([this, &call, &asked, out, done] {
          tools_.core.CreateRoom(IdentityOf(call), asked, Into(out, done, [&call, &asked] {
                                   AuditChange(call, asked.room_id(), "created");
                                 }));
        });
      });
}

grpc::ServerUnaryReactor* RoomService::GetRoom(grpc::CallbackServerContext* context,
                                               const v1::GetRoomRequest* request,
                                               v1::Room* response) {
  return Delegate(tools_, context, COVET_METHOD("GetRoom"), request, response, &RoomsCore::GetRoom);
}

grpc::ServerUnaryReactor* RoomService::ListRooms(grpc::CallbackServerContext* context,
                                                 const v1::ListRoomsRequest* request,
                                                 v1::ListRoomsResponse* response) {
  return Delegate(tools_, context, COVET_METHOD("ListRooms"), request, response,
                  &RoomsCore::ListRooms);
}

grpc::ServerUnaryReactor* RoomService::UpdateRoom(grpc::CallbackServerContext* context,
                                                  const v1::UpdateRoomRequest* request,
                                                  v1::Room* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("UpdateRoom"), request, response,
      [&](const CallInfo& call, const v1::UpdateRoomRequest& asked, v1::Room* out, UnaryDone done) {
        tools_.executor.Post([this, &call, &asked, out, done] {
          tools_.core.UpdateRoom(IdentityOf(call), asked, Into(out, done, [&call, &asked] {
                                   AuditChange(call, asked.room().room_id(), "updated");
                                 }));
        });
      });
}

grpc::ServerUnaryReactor* RoomService::DeleteRoom(grpc::CallbackServerContext* context,
                                                  const v1::DeleteRoomRequest* request,
                                                  google::protobuf::Empty* response) {
  return server::HandleUnary(tools_.calls, context, COVET_METHOD("DeleteRoom"), request, response,
                             [&](const CallInfo& call, const v1::DeleteRoomRequest& asked,
                                 google::protobuf::Empty*, UnaryDone done) {
                               tools_.executor.Post([this, &call, &asked, done] {
                                 tools_.core.DeleteRoom(IdentityOf(call), asked,
                                                        [&call, &asked, done](absl::Status status) {
                                                          if (status.ok())
                                                            AuditChange(call, asked.room_id(),
                                                                        "deleted");
                                                          done(status);
                                                        });
                               });
                             });
}

grpc::ServerUnaryReactor* RoomService::Publish(grpc::CallbackServerContext* context,
                                               const v1::PublishRequest* request,
                                               v1::PublishResponse* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("Publish"), request, response,
      [&](const CallInfo& call, const v1::PublishRequest& asked, v1::PublishResponse* out,
          UnaryDone done) {
        auto json = payload::PayloadToJson(asked.payload());
        if (!json.ok()) {
          return done(InvalidField("payload", "a Struct, or JSON text",
                                   std::string(json.status().message())));
        }
        tools_.executor.Post([this, &call, &asked, json = *std::move(json), out, done] {
          tools_.core.Publish(IdentityOf(call), asked, json, call.correlation_id,
                              Into(out, done, [&call, &asked, out] {
                                audit::Record(audit::event::kAdminPublished,
                                              {{"user_id", call.caller.identity.user_id()},
                                               {"room_id", asked.room_id()},
                                               {"offset", out->offset()},
                                               {"correlation_id", call.correlation_id}});
                              }));
        });
      });
}

grpc::ServerUnaryReactor* RoomService::ListMembers(grpc::CallbackServerContext* context,
                                                   const v1::ListMembersRequest* request,
                                                   v1::ListMembersResponse* response) {
  return Delegate(tools_, context, COVET_METHOD("ListMembers"), request, response,
                  &RoomsCore::ListMembers);
}

grpc::ServerUnaryReactor* RoomService::GetHistory(grpc::CallbackServerContext* context,
                                                  const v1::GetHistoryRequest* request,
                                                  v1::GetHistoryResponse* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("GetHistory"), request, response,
      [&](const CallInfo& call, const v1::GetHistoryRequest& asked, v1::GetHistoryResponse* out,
          UnaryDone done) {
        tools_.executor.Post([this, caller = IdentityOf(call), &asked, out, done] {
          tools_.core.GetHistory(caller, asked,
                                 [&asked, out, done](absl::StatusOr<RoomsCore::History> history) {
                                   if (!history.ok()) return done(history.status());
                                   out->set_epoch(history->page.epoch);
                                   out->set_first_offset(history->page.first_offset);
                                   out->set_last_offset(history->page.last_looked);
                                   out->set_head_offset(history->page.head);
                                   for (v1::RoomEvent& event : history->events) {
                                     FormatPayload(asked.payload_format(), &event);
                                     *out->add_events() = std::move(event);
                                   }
                                   done(absl::OkStatus());
                                 });
        });
      });
}

grpc::ServerUnaryReactor* RoomService::RemoveMember(grpc::CallbackServerContext* context,
                                                    const v1::RemoveMemberRequest* request,
                                                    v1::RemoveMemberResponse* response) {
  return server::HandleUnary(tools_.calls, context, COVET_METHOD("RemoveMember"), request, response,
                             [&](const CallInfo& call, const v1::RemoveMemberRequest& asked,
                                 v1::RemoveMemberResponse* out, UnaryDone done) {
                               tools_.executor.Post([this, &call, &asked, out, done] {
                                 tools_.core.RemoveMember(
                                     IdentityOf(call), asked, Into(out, done, [&call, &asked] {
                                       audit::Record(audit::event::kMemberRemoved,
                                                     {{"user_id", call.caller.identity.user_id()},
                                                      {"room_id", asked.room_id()},
                                                      {"removed_user_id", asked.user_id()},
                                                      {"correlation_id", call.correlation_id}});
                                     }));
                               });
                             });
}

grpc::ServerUnaryReactor* RoomService::ListSessions(grpc::CallbackServerContext* context,
                                                    const v1::ListSessionsRequest* request,
                                                    v1::ListSessionsResponse* response) {
  return Delegate(tools_, context, COVET_METHOD("ListSessions"), request, response,
                  &RoomsCore::ListSessions);
}

grpc::ServerWriteReactor<v1::JoinResponse>* RoomService::Join(grpc::CallbackServerContext* context,
                                                              const v1::JoinRequest* request) {
  return server::HandleServerStream<v1::JoinResponse>(
      tools_.calls, context, COVET_METHOD("Join"), request,
      [this](const v1::JoinRequest& asked,
             const std::shared_ptr<server::ServerStream<v1::JoinResponse>>& stream) {
        RoomWatch::Start(tools_.executor, tools_.core, asked, stream);
      });
}

grpc::ServerUnaryReactor* NotificationService::SendNotification(
    grpc::CallbackServerContext* context, const v1::SendNotificationRequest* request,
    v1::SendNotificationResponse* response) {
  return server::HandleUnary(
      tools_.calls, context, "/covet.rooms.v1.NotificationService/SendNotification", request,
      response,
      [&](const CallInfo& call, const v1::SendNotificationRequest& asked,
          v1::SendNotificationResponse* out, UnaryDone done) {
        if (absl::Status status = CheckNotification(asked.notification()); !status.ok()) {
          return done(status);
        }
        tools_.executor.Post([this, &call, &asked, out, done] {
          tools_.core.SendNotification(IdentityOf(call), asked, call.correlation_id,
                                       Into(out, done, [&call, &asked] {
                                         audit::Record(audit::event::kNotificationSent,
                                                       {{"user_id", call.caller.identity.user_id()},
                                                        {"recipient", RecipientOf(asked)},
                                                        {"correlation_id", call.correlation_id}});
                                       }));
        });
      });
}

}  // namespace covet::rooms
