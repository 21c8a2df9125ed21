#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "edge/codec/messages.h"
#include "edge/rooms/link_items.h"
#include "edge/rooms/room_gateway.h"

namespace covet::edge {

// A message of a test's room: its offset and type, in a frame that tells them.
inline HubEventPtr MakeEvent(int64_t offset, const std::string& type = "t") {
  auto event = std::make_shared<HubEvent>();
  event->offset = offset;
  event->event_type = type;
  const std::string text = "{" + std::to_string(offset) + "}";
  event->frame = Frame::Text(text, 1);
  return event;
}

inline RecordsItem MakeRecords(std::vector<int64_t> offsets, const std::string& epoch = "e") {
  RecordsItem item{"r", epoch, {}};
  for (const int64_t offset : offsets) item.events.push_back(MakeEvent(offset));
  return item;
}

// A session and its connection. `log` holds what it was given, in order: frames as their text, with
// `R` before replayed ones, `left:` and `read:` for the rest.
class Reader final : public Connection, public RoomSubscriber {
 public:
  // RoomSubscriber.
  Connection& connection() override { return *this; }
  void OnRoomLeft(const std::string& room_id, const std::string& reason) override {
    log.push_back("left:" + room_id + ":" + reason);
  }
  void OnNotification(const std::string& notification_id, FramePtr, Priority, int64_t,
                      bool acknowledge) override {
    log.push_back((acknowledge ? "notified:" : "told:") + notification_id);
  }
  void OnNotificationRead(const std::string& notification_id) override {
    log.push_back("read:" + notification_id);
  }

  // Connection.
  SendResult Send(Outbound message) override {
    std::string text(message.frame->text());
    if (message.head != nullptr && *message.head == kReplayedHead) {
      text = "R" + text;
    } else if (message.head != nullptr) {
      text.insert(message.frame->splice(), *message.head);
    }
    log.push_back(std::move(text));
    sent.push_back(std::move(message));
    overdrawn_ = room == 0;
    if (overdrawn_) return SendResult::kBackpressure;
    --room;
    return SendResult::kQueued;
  }
  size_t queued_bytes() const override { return 0; }
  bool behind() const override { return overdrawn_ && room == 0; }
  void PauseReading() override {}
  void ResumeReading() override {}
  void Ping(std::string) override {}
  void Close(uint16_t, std::string) override {}
  const std::string& remote_address() const override { return address_; }

  std::vector<std::string> Take() { return std::exchange(log, {}); }

  std::vector<std::string> log;
  std::vector<Outbound> sent;
  int room = 1'000'000;  // Frames until the reader is behind.

 private:
  bool overdrawn_ = false;
  std::string address_ = "192.0.2.1";
};

}  // namespace covet::edge
