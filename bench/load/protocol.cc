#include "bench/load/protocol.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace covet::bench {
namespace {

using Kind = Incoming::Kind;

// The value of the first `key`, which must be a plain string member; empty without one.
std::string_view StringMember(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  std::string_view rest = text.substr(at + key.size());
  return rest.substr(0, rest.find('"'));
}

class CovetProtocol final : public Protocol {
 public:
  std::string_view default_target() const override { return "/ws"; }
  bool ready_on_upgrade() const override { return false; }

  Incoming Classify(std::string_view text) const override {
    const std::string_view type = StringMember(text, "\"type\":\"");
    if (type == "room_message_ack") return {Kind::kAck};
    if (type == "room_joined") return {Kind::kJoined};
    if (type == "connection_ack") return {Kind::kReady};
    if (type == "error") return {Kind::kError};
    return {};
  }

  std::string Join(const std::string& room, uint64_t id) const override {
    return absl::StrCat(R"({"type":"join_room","id":"j)", id, R"(","data":{"room_id":")", room,
                        R"("}})");
  }

  std::string Publish(const std::string& room, uint64_t id,
                      const std::string& payload) const override {
    return absl::StrCat(R"({"type":"room_message","id":"p)", id, R"(","data":{"room_id":")", room,
                        R"(","event_type":"bench","payload":)", payload, "}}");
  }
};

class PlainProtocol final : public Protocol {
 public:
  std::string_view default_target() const override { return "/"; }
  bool ready_on_upgrade() const override { return true; }

  Incoming Classify(std::string_view text) const override {
    const std::string_view op = StringMember(text, "\"op\":\"");
    if (op == "ack") return {Kind::kAck};
    if (op == "joined") return {Kind::kJoined};
    if (op == "error") return {Kind::kError};
    return {};
  }

  // The floor relies on this order of members.
  std::string Join(const std::string& room, uint64_t) const override {
    return absl::StrCat(R"({"op":"join","room":")", room, R"("})");
  }

  std::string Publish(const std::string& room, uint64_t id,
                      const std::string& payload) const override {
    return absl::StrCat(R"({"op":"publish","room":")", room, R"(","id":)", id, R"(,"payload":)",
                        payload, "}");
  }
};

class SocketIoProtocol final : public Protocol {
 public:
  std::string_view default_target() const override {
    return "/socket.io/?EIO=4&transport=websocket";
  }
  bool ready_on_upgrade() const override { return false; }

  Incoming Classify(std::string_view text) const override {
    if (text == "2") return {Kind::kOther, "3"};
    if (text.starts_with("0{")) return {Kind::kOther, "40"};
    if (text.starts_with("40")) return {Kind::kReady};
    if (text.starts_with("43")) return {Kind::kAck};
    if (text.starts_with("44")) return {Kind::kError};
    if (text.starts_with(R"(42["joined")")) return {Kind::kJoined};
    return {};
  }

  std::string Join(const std::string& room, uint64_t) const override {
    return absl::StrCat(R"(42["join",")", room, R"("])");
  }

  std::string Publish(const std::string& room, uint64_t id,
                      const std::string& payload) const override {
    return absl::StrCat("42", id, R"(["publish",")", room, R"(",)", payload, "]");
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Protocol>> MakeProtocol(const std::string& name) {
  if (name == "covet") return std::make_unique<CovetProtocol>();
  if (name == "plain") return std::make_unique<PlainProtocol>();
  if (name == "socketio") return std::make_unique<SocketIoProtocol>();
  return absl::InvalidArgumentError(absl::StrCat("unknown protocol ", name));
}

}  // namespace covet::bench
