#include "edge/session/session_thread.h"

#include "edge/session/connection_requests.h"
#include "edge/session/not_offered.h"
#include "edge/session/room_requests.h"
#include "edge/session/stream_requests.h"

namespace covet::edge {

SessionThread::SessionThread(SessionShared& shared, RoomGateway& rooms, StreamGateway* streams)
    : shared_(shared),
      rooms_(rooms),
      streams_(streams),
      settings_(shared.settings),
      decoder_version_(settings_.version()),
      decoder_(settings_.Get().decode),
      message_ids_(shared.ids),
      encoder_(&message_ids_, &shared.clock),
      connection_requests_(std::make_unique<ConnectionRequests>()),
      room_requests_(std::make_unique<RoomRequests>()),
      stream_requests_(std::make_unique<StreamRequests>()),
      not_offered_(std::make_unique<NotOffered>()) {
  router_.Route<HeartbeatMessage, NotificationAckMessage, AuthRefreshMessage>(
      connection_requests_.get());
  router_.Route<JoinRoomMessage, LeaveRoomMessage, RoomMessage>(room_requests_.get());
  router_.Route<SubscribeMessage, UnsubscribeMessage>(stream_requests_.get());
  router_.Route<RpcCallMessage, RpcCancelMessage, FileUploadStartMessage, FileChunkMessage,
                FileUploadResumeMessage, FileUploadCancelMessage>(not_offered_.get());
  router_.Offer("rooms");
  if (streams != nullptr) router_.Offer("streaming");
  router_.Offer("notifications");
  router_.Offer("resume");
}

SessionThread::~SessionThread() = default;

const SessionSettings& SessionThread::settings() {
  const SessionSettings& settings = settings_.Get();
  if (settings_.version() != decoder_version_) {
    decoder_version_ = settings_.version();
    decoder_.set_limits(settings.decode);
  }
  return settings;
}

const ClientMessage* SessionThread::Decode(std::string_view frame, bool binary,
                                           DecodeError* error) {
  settings();  // Brings the decoder's limits up to date.
  const bool decoded = binary ? decoder_.DecodeBinary(frame, &message_, error)
                              : decoder_.Decode(frame, &message_, error);
  return decoded ? &message_ : nullptr;
}

}  // namespace covet::edge
