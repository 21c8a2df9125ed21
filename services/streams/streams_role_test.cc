#include "services/streams/streams_role.h"

#include <future>

#include "common/server/gated_clock.h"
#include "common/server/role_test_fixture.h"
#include "covet/streams/v1/streams.grpc.pb.h"

namespace covet::streams {
namespace {

class StreamsRoleTest : public server::RoleTest {
 protected:
  static constexpr int kBatch = 5'000;

  void SetUp() override {
    RoleTest::SetUp();
    clock_ = &gated_;
    config::v1::StreamResourceConfig& resource = *role_config_.mutable_streams()->add_resources();
    resource.set_type("events");
    resource.set_id("few");
    resource.mutable_retention()->set_max_count(10);
    resource.mutable_retention()->mutable_max_age()->set_seconds(3'600);
    resource.set_durability(rooms::v1::DURABILITY_DISK);
    StartRole(MakeStreamsRole);
  }

  int64_t Publish() {
    grpc::ClientContext context;
    v1::PublishRequest request;
    request.set_stream_type(v1::STREAM_TYPE_EVENTS);
    request.set_resource_id("few");
    for (int i = 0; i < kBatch; ++i) request.add_records()->mutable_payload()->set_json("{}");
    v1::PublishResponse response;
    const grpc::Status status =
        v1::StreamService::NewStub(channel_)->Publish(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.offsets().empty() ? 0 : *response.offsets().rbegin();
  }

  server::GatedClock gated_{"log-writer"};
};

// A log that goes still answers what it was asked, and a core that hears of it asks for more. So
// the core must be still while the log is at its last writes.
TEST_P(StreamsRoleTest, TheCoreIsStillBeforeItsLogsGo) {
  EXPECT_EQ(Publish(), kBatch);
  StopServer();
  gated_.Close();
  gated_.SetAhead(7'200'000);
  gated_.AwaitHeld();  // The log, which is about to trim.
  std::future<void> stopped = std::async(std::launch::async, [this] { role_->Stop(); });
  EXPECT_TRUE(AwaitThreadGone("streams")) << "the thread that runs the core";
  gated_.Open();
  stopped.get();
}

// The role goes while its first trims are due, and comes back to what it had acknowledged.
TEST_P(StreamsRoleTest, WhatWasAcknowledgedIsThereAgainHoweverOftenItIsStopped) {
  for (int64_t round = 1; round <= 5; ++round) {
    EXPECT_EQ(Publish(), round * kBatch);
    StopServer();
    role_->Stop();
    role_.reset();
    StartRole(MakeStreamsRole);
  }
}

INSTANTIATE_TEST_SUITE_P(InProcess, StreamsRoleTest, ::testing::Values(true));

}  // namespace
}  // namespace covet::streams
