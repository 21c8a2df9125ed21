#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "edge/frame/frame_header.h"
#include "edge/transport/connection.h"

namespace covet::edge {

// A connection that keeps what it is given.
class FakeConnection final : public Connection {
 public:
  struct Sent {
    std::string text;
    Lane lane;
    Priority priority;
    bool droppable;
    bool ping;  // A ping among messages; `text` is its payload.
  };

  SendResult Send(Outbound message) override {
    if (closed) return SendResult::kDropped;
    const bool ping = (message.frame->wire().front() & 0x0f) == kOpcodePing;
    sent.push_back({std::string(message.frame->text()), message.lane, message.priority,
                    message.droppable, ping});
    heads.push_back(message.head == nullptr ? "" : *message.head);
    return next_result;
  }
  size_t queued_bytes() const override { return queued; }
  bool behind() const override { return next_result == SendResult::kBackpressure; }
  void DropQueued() override { queued = 0; }
  void PauseReading() override { paused = true; }
  void ResumeReading() override { paused = false; }
  void Ping(std::string payload) override { pings.push_back(std::move(payload)); }
  void Close(uint16_t code, std::string reason) override {
    if (!closed) closed.emplace(code, std::move(reason));
  }
  void SetMaxMessageBytes(size_t bytes) override { max_message_bytes = bytes; }
  const std::string& remote_address() const override { return address; }

  std::vector<Sent> sent;
  std::vector<std::string> heads;  // What was to be spliced into each.
  std::vector<std::string> pings;
  std::optional<std::pair<uint16_t, std::string>> closed;
  SendResult next_result = SendResult::kQueued;
  size_t queued = 0;
  size_t max_message_bytes = 0;
  bool paused = false;
  std::string address = "192.0.2.1";
};

}  // namespace covet::edge
