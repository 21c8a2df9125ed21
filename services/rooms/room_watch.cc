#include "services/rooms/room_watch.h"

#include <utility>

#include "common/base/id_generator.h"
#include "common/payload/struct_json.h"

namespace covet::rooms {
namespace {

constexpr int32_t kPage = 100;
constexpr int64_t kPageBytes = 256 << 10;
constexpr char kPresenceType[] = "user_activity";

}  // namespace

void FormatPayload(common::v1::PayloadFormat format, v1::RoomEvent* event) {
  const std::string json = std::move(*event->mutable_payload()->mutable_json());
  payload::JsonToPayload(json, format, event->mutable_payload());
}

void RoomWatch::Start(Executor& executor, RoomsCore& core, const v1::JoinRequest& request,
                      const std::shared_ptr<Stream>& stream) {
  auto watch = std::make_shared<RoomWatch>(executor, core, request, stream);
  stream->OnClosed([watch, &executor] { executor.Post([watch] { watch->Close(); }); });
  executor.Post([watch] { watch->Begin(); });
}

RoomWatch::RoomWatch(Executor& executor, RoomsCore& core, v1::JoinRequest request,
                     std::shared_ptr<Stream> stream)
    : executor_(executor),
      core_(core),
      request_(std::move(request)),
      event_types_(request_.event_types().begin(), request_.event_types().end()),
      stream_(std::move(stream)) {
  session_id = SystemIds().NewId("watch_");
  identity = std::make_shared<const common::v1::Identity>(stream_->info().caller.identity);
}

void RoomWatch::Begin() {
  if (over_) return;
  self_ = shared_from_this();
  core_.Follow(request_, this, [this](absl::StatusOr<RoomsCore::FollowStart> start) {
    const std::shared_ptr<RoomWatch> keep = self_;
    if (!start.ok()) {
      self_.reset();
      stream_->End(start.status());
      return;
    }
    joined_ = true;
    if (over_) return Close();
    cursor_ = start->cursor;
    v1::JoinResponse response;
    response.mutable_joined()->set_offset(start->room.last_offset());
    response.mutable_joined()->set_recovered(start->recovered);
    *response.mutable_joined()->mutable_room() = std::move(start->room);
    stream_->Send(std::move(response));
    Read();
  });
}

bool RoomWatch::Wants(const std::string& event_type) const {
  return event_types_.empty() || event_types_.contains(event_type);
}

void RoomWatch::Read() {
  if (over_ || !joined_) return;
  if (reading_) {
    more_ = true;
    return;
  }
  reading_ = true;
  more_ = false;
  core_.ReadPage(request_.room_id(), cursor_, kPage, kPageBytes,
                 [watch = shared_from_this()](absl::StatusOr<RoomsCore::History> history) {
                   if (watch->over_) return;
                   if (!history.ok()) return watch->OnLeft("reset");
                   watch->OnPage(*std::move(history));
                 });
}

void RoomWatch::OnPage(RoomsCore::History history) {
  // What was evicted before it could be read is lost: the caller joins anew.
  if (history.page.first_offset > cursor_ + 1 && history.page.head > cursor_)
    return OnLeft("reset");
  if (!SendEvents(history.events)) {
    // A caller who reads slowly gets what it can take; the log keeps the rest.
    stream_->OnDrained([watch = shared_from_this()] {
      watch->executor_.Post([watch] {
        watch->reading_ = false;
        watch->Read();
      });
    });
    return;
  }
  reading_ = false;
  cursor_ = std::max(cursor_, history.page.last_looked);
  if (more_ || history.page.last_looked < history.page.head) Read();
}

bool RoomWatch::SendEvents(std::vector<v1::RoomEvent>& events) {
  for (v1::RoomEvent& event : events) {
    const int64_t offset = event.offset();
    if (Wants(event.event_type())) {
      FormatPayload(request_.payload_format(), &event);
      v1::JoinResponse response;
      *response.mutable_event() = std::move(event);
      const server::StreamSend sent = stream_->Send(std::move(response));
      if (sent == server::StreamSend::kRefused) return false;
      cursor_ = offset;
      if (sent == server::StreamSend::kBackpressure) return false;
    }
    cursor_ = offset;
  }
  return true;
}

void RoomWatch::OnPresence(const v1::RoomPresence& presence) {
  if (over_ || !joined_ || !Wants(kPresenceType)) return;
  v1::JoinResponse response;
  v1::RoomEvent& event = *response.mutable_event();
  event.set_room_id(presence.room_id());
  event.set_event_type(kPresenceType);
  auto& fields = *event.mutable_payload()->mutable_structured()->mutable_fields();
  fields["action"].set_string_value(presence.action());
  if (!presence.user_id().empty()) fields["user_id"].set_string_value(presence.user_id());
  fields["member_count"].set_number_value(presence.member_count());
  event.mutable_timestamp()->set_seconds(presence.time_ms() / 1000);
  event.mutable_timestamp()->set_nanos(static_cast<int32_t>(presence.time_ms() % 1000) * 1'000'000);
  stream_->Send(std::move(response));
}

void RoomWatch::OnLeft(const std::string& reason) {
  if (over_) return;
  v1::JoinResponse response;
  response.mutable_left()->set_reason(reason);
  stream_->Send(std::move(response));
  stream_->End(absl::OkStatus());
  Close();
}

void RoomWatch::Close() {
  over_ = true;
  if (!joined_) return;
  core_.Unfollow(request_.room_id(), this);
  // The last use of this object, which may go with it.
  const std::shared_ptr<RoomWatch> last = std::move(self_);
}

}  // namespace covet::rooms
