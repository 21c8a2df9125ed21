#include "services/rooms/rooms_role.h"

#include <future>
#include <string>
#include <vector>

#include "common/server/gated_clock.h"
#include "common/server/role_test_fixture.h"
#include "covet/rooms/v1/rooms.grpc.pb.h"

namespace covet::rooms {
namespace {

class RoomsRoleTest : public server::RoleTest {
 protected:
  void SetUp() override {
    RoleTest::SetUp();
    clock_ = &gated_;
    StartRole(MakeRoomsRole);
  }

  grpc::Status CreateRoom(const std::string& room_id) {
    grpc::ClientContext context;
    v1::CreateRoomRequest request;
    request.set_room_id(room_id);
    request.mutable_retention()->mutable_max_age()->set_seconds(3'600);
    v1::Room response;
    return v1::RoomService::NewStub(channel_)->CreateRoom(&context, request, &response);
  }
  grpc::Status Publish(const std::string& room_id, const std::string& json = "{}") {
    grpc::ClientContext context;
    v1::PublishRequest request;
    request.set_room_id(room_id);
    request.set_event_type("chat");
    request.mutable_payload()->set_json(json);
    v1::PublishResponse response;
    return v1::RoomService::NewStub(channel_)->Publish(&context, request, &response);
  }
  // The offsets that a call of Join with `history` gets, up to the history's end.
  std::vector<int64_t> Replayed(const std::string& room_id, int32_t history,
                                common::v1::PayloadFormat format) {
    grpc::ClientContext context;
    v1::JoinRequest request;
    request.set_room_id(room_id);
    request.set_history(history);
    request.set_payload_format(format);
    const auto reader = v1::RoomService::NewStub(channel_)->Join(&context, request);
    std::vector<int64_t> offsets;
    v1::JoinResponse response;
    int64_t last = 0;
    while (reader->Read(&response)) {
      EXPECT_FALSE(response.has_left()) << response.left().reason();
      if (response.has_joined()) last = response.joined().offset();
      if (!response.has_event() || response.event().offset() == 0) continue;
      offsets.push_back(response.event().offset());
      if (offsets.back() >= last) break;
    }
    context.TryCancel();
    while (reader->Read(&response)) {
    }
    reader->Finish();
    return offsets;
  }
  int64_t LastOffset(const std::string& room_id) {
    grpc::ClientContext context;
    v1::GetRoomRequest request;
    request.set_room_id(room_id);
    v1::Room response;
    const grpc::Status status =
        v1::RoomService::NewStub(channel_)->GetRoom(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.last_offset();
  }

  server::GatedClock gated_{"log-writer"};
};

// What the core is at when the role is stopped may still call its logs. So the core must be still
// while a log is at its last writes.
TEST_P(RoomsRoleTest, TheCoreIsStillBeforeItsLogsGo) {
  ASSERT_TRUE(CreateRoom("old").ok());
  ASSERT_TRUE(Publish("old").ok());
  StopServer();
  gated_.Close();
  gated_.SetAhead(7'200'000);
  gated_.AwaitHeld();  // The log, which is about to trim.
  std::future<void> stopped = std::async(std::launch::async, [this] { role_->Stop(); });
  EXPECT_TRUE(AwaitThreadGone("rooms")) << "the thread that runs the core";
  gated_.Open();
  stopped.get();
}

TEST_P(RoomsRoleTest, WhatWasAcknowledgedIsThereAgain) {
  ASSERT_TRUE(CreateRoom("kept").ok());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Publish("kept").ok());
  StopServer();
  role_->Stop();
  role_.reset();
  StartRole(MakeRoomsRole);
  EXPECT_EQ(LastOffset("kept"), 50);
}

// However much more than a call's queue holds, and however much larger than its text.
TEST_P(RoomsRoleTest, AJoinReplaysAtItsCallersPace) {
  ASSERT_TRUE(CreateRoom("long").ok());
  std::string json = "[1";
  while (json.size() < 60'000) json += ",1";
  json += "]";
  std::vector<int64_t> all;
  for (int64_t i = 1; i <= 30; ++i) {
    ASSERT_TRUE(Publish("long", json).ok());
    all.push_back(i);
  }
  EXPECT_EQ(Replayed("long", 30, common::v1::PAYLOAD_FORMAT_JSON), all);
  EXPECT_EQ(Replayed("long", 30, common::v1::PAYLOAD_FORMAT_STRUCT), all);
}

INSTANTIATE_TEST_SUITE_P(InProcess, RoomsRoleTest, ::testing::Values(true));

}  // namespace
}  // namespace covet::rooms
