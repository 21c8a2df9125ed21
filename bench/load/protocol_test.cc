#include "bench/load/protocol.h"

#include <gtest/gtest.h>

namespace covet::bench {
namespace {

using Kind = Incoming::Kind;

TEST(ProtocolTest, UnknownNameIsRefused) {
  EXPECT_EQ(MakeProtocol("http").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ProtocolTest, CovetMessages) {
  const auto covet = MakeProtocol("covet").value();
  const auto kind = [&](std::string_view text) { return covet->Classify(text).kind; };
  EXPECT_EQ(kind(R"({"type":"connection_ack","id":"1","data":{}})"), Kind::kReady);
  EXPECT_EQ(kind(R"({"id":"1","type":"room_joined","data":{}})"), Kind::kJoined);
  EXPECT_EQ(kind(R"({"type":"room_message_ack","id":"1"})"), Kind::kAck);
  EXPECT_EQ(kind(R"({"type":"error","id":"1"})"), Kind::kError);
  EXPECT_EQ(kind(R"({"type":"heartbeat","id":"1"})"), Kind::kOther);
  EXPECT_EQ(kind("{}"), Kind::kOther);
  EXPECT_EQ(covet->Publish("r", 7, R"({"a":1})"),
            R"({"type":"room_message","id":"p7","data":{"room_id":"r","event_type":"bench",)"
            R"("payload":{"a":1}}})");
}

TEST(ProtocolTest, SocketIoPackets) {
  const auto io = MakeProtocol("socketio").value();
  EXPECT_EQ(io->Classify(R"(0{"sid":"x","upgrades":[]})").reply, "40");
  EXPECT_EQ(io->Classify("2").reply, "3");
  EXPECT_EQ(io->Classify(R"(40{"sid":"y"})").kind, Kind::kReady);
  EXPECT_EQ(io->Classify("4312[]").kind, Kind::kAck);
  EXPECT_EQ(io->Classify(R"(42["joined"])").kind, Kind::kJoined);
  EXPECT_EQ(io->Classify(R"(44{"message":"no"})").kind, Kind::kError);
  EXPECT_EQ(io->Publish("r", 7, "{}"), R"(427["publish","r",{}])");
}

TEST(ProtocolTest, PlainMessages) {
  const auto plain = MakeProtocol("plain").value();
  EXPECT_TRUE(plain->ready_on_upgrade());
  EXPECT_EQ(plain->Classify(R"({"op":"joined"})").kind, Kind::kJoined);
  EXPECT_EQ(plain->Classify(R"({"op":"ack","id":7})").kind, Kind::kAck);
  EXPECT_EQ(plain->Join("r", 1), R"({"op":"join","room":"r"})");
  EXPECT_EQ(plain->Publish("r", 7, "{}"), R"({"op":"publish","room":"r","id":7,"payload":{}})");
}

}  // namespace
}  // namespace covet::bench
