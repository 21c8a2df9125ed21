#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "common/server/gated_clock.h"
#include "common/server/role_test_fixture.h"
#include "covet/streams/v1/streams.grpc.pb.h"
#include "services/streams/streams_role.h"

namespace covet::streams {
namespace {

// The reading thread of the log stands still while the gate is closed.
class StreamWatchTest : public server::RoleTest {
 protected:
  static constexpr int kRecords = 3;
  // More reads than the log lets wait.
  static constexpr size_t kReads = 4'300;

  void SetUp() override {
    RoleTest::SetUp();
    clock_ = &gated_;
    config::v1::StreamResourceConfig& resource = *role_config_.mutable_streams()->add_resources();
    resource.set_type("events");
    resource.set_id("few");
    resource.set_durability(rooms::v1::DURABILITY_DISK);
    // Nothing stays in memory.
    role_config_.mutable_storage()->set_cache_bytes(0);
    StartRole(MakeStreamsRole);
  }

  void Publish() {
    grpc::ClientContext context;
    v1::PublishRequest request;
    request.set_stream_type(v1::STREAM_TYPE_EVENTS);
    request.set_resource_id("few");
    for (int n = 0; n < kRecords; ++n) request.add_records()->mutable_payload()->set_json("{}");
    v1::PublishResponse response;
    const grpc::Status status = stub()->Publish(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    epoch_ = response.epoch();
  }
  // Runs what the core was asked before.
  void Settle() {
    grpc::ClientContext context;
    v1::ListResourcesResponse response;
    EXPECT_TRUE(stub()->ListResources(&context, {}, &response).ok());
  }
  std::unique_ptr<v1::StreamService::Stub> stub() { return v1::StreamService::NewStub(channel_); }

  server::GatedClock gated_{"log-reader"};
  std::string epoch_;
};

TEST_P(StreamWatchTest, AReadThatTheLogHasNoPlaceForIsNoReset) {
  Publish();
  v1::GetHistoryRequest page;
  page.set_stream_type(v1::STREAM_TYPE_EVENTS);
  page.set_resource_id("few");
  const auto stub = this->stub();
  gated_.Close();
  // It is in memory until it was committed and a little longer.
  for (grpc::Status status; status.ok();) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
    v1::GetHistoryResponse response;
    status = stub->GetHistory(&context, page, &response);
  }
  gated_.AwaitHeld();

  struct Call {
    grpc::ClientContext context;
    v1::GetHistoryResponse response;
    grpc::Status status;
  };
  std::vector<std::unique_ptr<Call>> calls;
  absl::BlockingCounter answered(kReads);
  for (size_t i = 0; i < kReads; ++i) {
    Call& call = *calls.emplace_back(std::make_unique<Call>());
    stub->async()->GetHistory(&call.context, &page, &call.response,
                              [&call, &answered](grpc::Status status) {
                                call.status = std::move(status);
                                answered.DecrementCount();
                              });
  }
  Settle();

  v1::SubscribeRequest request;
  request.set_stream_type(v1::STREAM_TYPE_EVENTS);
  request.set_resource_id("few");
  request.mutable_resume()->set_epoch(epoch_);
  request.mutable_resume()->set_offset(1);
  std::array<grpc::ClientContext, 4> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::SubscribeResponse>>> readers;
  v1::SubscribeResponse response;
  for (grpc::ClientContext& context : contexts) {
    readers.push_back(stub->Subscribe(&context, request));
    ASSERT_TRUE(readers.back()->Read(&response));
    EXPECT_TRUE(response.opened().recovered());
  }
  Settle();
  gated_.Open();

  answered.Wait();
  EXPECT_TRUE(std::any_of(calls.begin(), calls.end(), [](const auto& call) {
    return call->status.error_code() == grpc::StatusCode::UNAVAILABLE;
  }));
  for (size_t i = 0; i < readers.size(); ++i) {
    int64_t told = 1;
    while (told < kRecords && readers[i]->Read(&response)) {
      ASSERT_TRUE(response.has_batch()) << response.ShortDebugString();
      EXPECT_EQ(response.batch().first_offset(), told + 1);
      told = response.batch().last_offset();
    }
    EXPECT_EQ(told, kRecords);
    contexts[i].TryCancel();
    readers[i]->Finish();
  }
}

INSTANTIATE_TEST_SUITE_P(InProcess, StreamWatchTest, ::testing::Values(true));

}  // namespace
}  // namespace covet::streams
