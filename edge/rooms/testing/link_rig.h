#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/id_generator.h"
#include "common/base/manual_clock.h"
#include "edge/rooms/link_client.h"

namespace covet::edge {

// A link whose other end is the test: it sees what goes up and says what comes down.
class LinkRig final : public RoomsWire, public LinkDispatcher {
 public:
  explicit LinkRig(LinkOptions options = {})
      : client(std::move(options), clock, ids, *this, *this) {}

  // RoomsWire.
  void Connect(uint64_t stream) override { connects.push_back(stream); }
  void Write(uint64_t stream, rooms::v1::EdgeFrame frame) override {
    write_streams.push_back(stream);
    frames.push_back(std::move(frame));
  }
  void Cancel(uint64_t stream) override { cancels.push_back(stream); }

  // LinkDispatcher.
  void Dispatch(std::shared_ptr<const LinkBatch> batch) override {
    batches.push_back(std::move(batch));
  }

  // Starts the client and lets it say hello to an owner that answers.
  void Open() {
    client.Start();
    Up();
  }
  void Up() {
    client.OnUp();
    Welcome();
    client.OnWritten();
  }
  void Welcome() {
    rooms::v1::OwnerFrame frame;
    frame.mutable_welcome()->set_owner_incarnation("o");
    client.OnFrame(std::move(frame));
  }
  void Down() { client.OnDown(); }

  void Answer(rooms::v1::OwnerItem item) {
    rooms::v1::OwnerFrame frame;
    frame.set_now_ms(clock.WallMillis());
    *frame.add_items() = std::move(item);
    client.OnFrame(std::move(frame));
  }
  void Answer(rooms::v1::OwnerReply reply) {
    rooms::v1::OwnerItem item;
    *item.mutable_reply() = std::move(reply);
    Answer(std::move(item));
  }
  // The room `room_id` stands at `head`.
  void AnswerJoined(uint64_t request_id, const std::string& room_id, int64_t head = 0,
                    const std::string& epoch = "e") {
    rooms::v1::OwnerReply reply;
    reply.set_request_id(request_id);
    rooms::v1::Room& room = *reply.mutable_joined()->mutable_room();
    room.set_room_id(room_id);
    room.set_epoch(epoch);
    room.set_first_offset(1);
    room.set_last_offset(head);
    room.set_member_count(3);
    reply.mutable_joined()->add_permissions("read");
    Answer(std::move(reply));
  }
  void AnswerError(uint64_t request_id, const std::string& code) {
    rooms::v1::OwnerReply reply;
    reply.set_request_id(request_id);
    reply.mutable_error()->set_code(code);
    Answer(std::move(reply));
  }

  // All requests that have gone up since the last call.
  std::vector<rooms::v1::EdgeRequest> TakeRequests() {
    std::vector<rooms::v1::EdgeRequest> requests;
    for (rooms::v1::EdgeFrame& frame : frames) {
      for (rooms::v1::EdgeRequest& request : *frame.mutable_requests()) {
        requests.push_back(std::move(request));
      }
    }
    frames.clear();
    return requests;
  }
  // The error codes of the replies that threads got since the last call, "" for success.
  std::vector<std::string> TakeReplies() {
    std::vector<std::string> codes;
    for (const auto& batch : std::exchange(batches, {})) {
      for (const LinkItem& item : batch->items) {
        const auto* reply = std::get_if<ReplyItem>(&item);
        if (reply != nullptr && reply->thread != kNoThread) {
          codes.push_back(reply->reply.error().code());
        }
      }
    }
    return codes;
  }

  static common::v1::Identity Identity(const std::string& session_id) {
    common::v1::Identity identity;
    identity.set_user_id("u");
    identity.set_session_id(session_id);
    return identity;
  }
  static rooms::v1::EdgeRequest Join(const std::string& session_id, const std::string& room_id) {
    rooms::v1::EdgeRequest request;
    request.set_session_id(session_id);
    request.mutable_join()->set_room_id(room_id);
    return request;
  }
  static rooms::v1::EdgeRequest Publish(const std::string& session_id, const std::string& room_id,
                                        const std::string& payload) {
    rooms::v1::EdgeRequest request;
    request.set_session_id(session_id);
    request.mutable_publish()->set_room_id(room_id);
    request.mutable_publish()->set_payload(payload);
    return request;
  }

  ManualClock clock;
  SeededIds ids{1};
  std::vector<uint64_t> connects;
  std::vector<uint64_t> cancels;
  std::vector<uint64_t> write_streams;
  std::vector<rooms::v1::EdgeFrame> frames;
  std::vector<std::shared_ptr<const LinkBatch>> batches;
  LinkClient client;
};

}  // namespace covet::edge
