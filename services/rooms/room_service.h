#pragma once

#include "common/base/executor.h"
#include "common/server/call.h"
#include "covet/rooms/v1/notifications.grpc.pb.h"
#include "covet/rooms/v1/rooms.grpc.pb.h"
#include "services/rooms/domain/rooms_core.h"

namespace covet::rooms {

// What the adapters share. All must outlive the gRPC server; the core lives on the executor.
struct ServiceTools {
  const server::CallTools& calls;
  Executor& executor;
  RoomsCore& core;
};

// RoomService over the core: converts, delegates, maps the status.
class RoomService final : public v1::RoomService::CallbackService {
 public:
  explicit RoomService(const ServiceTools& tools) : tools_(tools) {}

  grpc::ServerUnaryReactor* CreateRoom(grpc::CallbackServerContext* context,
                                       const v1::CreateRoomRequest* request,
                                       v1::Room* response) override;
  grpc::ServerUnaryReactor* GetRoom(grpc::CallbackServerContext* context,
                                    const v1::GetRoomRequest* request, v1::Room* response) override;
  grpc::ServerUnaryReactor* ListRooms(grpc::CallbackServerContext* context,
                                      const v1::ListRoomsRequest* request,
                                      v1::ListRoomsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateRoom(grpc::CallbackServerContext* context,
                                       const v1::UpdateRoomRequest* request,
                                       v1::Room* response) override;
  grpc::ServerUnaryReactor* DeleteRoom(grpc::CallbackServerContext* context,
                                       const v1::DeleteRoomRequest* request,
                                       google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const v1::PublishRequest* request,
                                    v1::PublishResponse* response) override;
  grpc::ServerUnaryReactor* ListMembers(grpc::CallbackServerContext* context,
                                        const v1::ListMembersRequest* request,
                                        v1::ListMembersResponse* response) override;
  grpc::ServerUnaryReactor* GetHistory(grpc::CallbackServerContext* context,
                                       const v1::GetHistoryRequest* request,
                                       v1::GetHistoryResponse* response) override;
  grpc::ServerUnaryReactor* RemoveMember(grpc::CallbackServerContext* context,
                                         const v1::RemoveMemberRequest* request,
                                         v1::RemoveMemberResponse* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context,
                                         const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override;
  grpc::ServerWriteReactor<v1::JoinResponse>* Join(grpc::CallbackServerContext* context,
                                                   const v1::JoinRequest* request) override;

 private:
  const ServiceTools tools_;
};

class NotificationService final : public v1::NotificationService::CallbackService {
 public:
  explicit NotificationService(const ServiceTools& tools) : tools_(tools) {}

  grpc::ServerUnaryReactor* SendNotification(grpc::CallbackServerContext* context,
                                             const v1::SendNotificationRequest* request,
                                             v1::SendNotificationResponse* response) override;

 private:
  const ServiceTools tools_;
};

}  // namespace covet::rooms
