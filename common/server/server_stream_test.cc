#include "common/server/server_stream.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "common/server/serving_test_fixture.h"
#include "covet/rooms/v1/rooms.grpc.pb.h"

namespace covet::server {
namespace {

using rooms::v1::JoinRequest;
using rooms::v1::JoinResponse;
using rooms::v1::RoomService;

using Stream = ServerStream<JoinResponse>;
constexpr size_t kQueueBytes = 64 << 10;

class RoomsFake final : public RoomService::CallbackService {
 public:
  explicit RoomsFake(const CallTools& tools) : tools_(tools) {}

  grpc::ServerWriteReactor<JoinResponse>* Join(grpc::CallbackServerContext* context,
                                               const JoinRequest* request) override {
    return HandleServerStream<JoinResponse>(
        tools_, context, "/covet.rooms.v1.RoomService/Join", request,
        [this](const JoinRequest&, std::shared_ptr<Stream> stream) {
          std::lock_guard lock(mutex_);
          stream_ = std::move(stream);
          changed_.notify_all();
        },
        kQueueBytes);
  }

  std::shared_ptr<Stream> Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stream_ != nullptr; });
    return std::exchange(stream_, nullptr);
  }

 private:
  const CallTools& tools_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Stream> stream_;
};

JoinResponse Message(int number, size_t bytes = 0) {
  JoinResponse response;
  response.mutable_event()->set_offset(number);
  response.mutable_event()->set_event_type(std::string(bytes, 'x'));
  return response;
}

class ServerStreamTest : public ServingTest {
 protected:
  void SetUp() override {
    StartServer({&service_});
    stub_ = RoomService::NewStub(channel_);
  }

  std::unique_ptr<grpc::ClientReader<JoinResponse>> Join(bool known = true) {
    if (known) context_.AddMetadata("x-user", "alice");
    return stub_->Join(&context_, JoinRequest());
  }

  RoomsFake service_{tools_};
  std::unique_ptr<RoomService::Stub> stub_;
  grpc::ClientContext context_;
};

TEST_P(ServerStreamTest, EndsWithTheCallersCredential) {
  auto reader = Join();
  const auto stream = service_.Take();
  JoinResponse response;
  EXPECT_EQ(stream->Send(Message(1)), StreamSend::kQueued);
  EXPECT_TRUE(reader->Read(&response));
  std::promise<void> closed;
  stream->OnClosed([&] { closed.set_value(); });
  authenticator_.expired = true;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  closed.get_future().wait();
  EXPECT_EQ(stream->Send(Message(2)), StreamSend::kRefused);
}

TEST_P(ServerStreamTest, DeliversInOrderAndEndsAfterTheLast) {
  auto reader = Join();
  const auto stream = service_.Take();
  constexpr int kMessages = 1000;
  std::thread sending([&] {
    for (int i = 1; i <= kMessages; ++i) EXPECT_NE(stream->Send(Message(i)), StreamSend::kRefused);
    stream->End(absl::NotFoundError("that was all"));
    EXPECT_EQ(stream->Send(Message(0)), StreamSend::kRefused);
  });
  JoinResponse response;
  int expected = 1;
  while (reader->Read(&response)) EXPECT_EQ(response.event().offset(), expected++);
  EXPECT_EQ(expected, kMessages + 1);
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "that was all");
  sending.join();
  EXPECT_EQ(Requests("covet.rooms.v1.RoomService/Join", "NOT_FOUND"), 1);
}

TEST_P(ServerStreamTest, RefusesAnUnknownCaller) {
  auto reader = Join(/*known=*/false);
  JoinResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_P(ServerStreamTest, AReaderThatStopsReadingMeetsTheBound) {
  auto reader = Join();
  const auto stream = service_.Take();
  // Flow control lets some through; far more than that and the queue hold is refused in the end.
  bool pressed = false;
  StreamSend result = StreamSend::kQueued;
  int sent = 0;
  for (; sent < 10'000 && result != StreamSend::kRefused; ++sent) {
    result = stream->Send(Message(sent, 16 << 10));
    pressed = pressed || result == StreamSend::kBackpressure;
  }
  EXPECT_EQ(result, StreamSend::kRefused);
  EXPECT_TRUE(pressed);
  stream->Abort(absl::ResourceExhaustedError("too slow"));
  JoinResponse response;
  int read = 0;
  while (reader->Read(&response)) ++read;
  EXPECT_LT(read, sent);
  EXPECT_EQ(reader->Finish().error_message(), "too slow");
}

TEST_P(ServerStreamTest, TellsOnceWhenTheCallerGoesAway) {
  auto reader = Join();
  const auto stream = service_.Take();
  int closed = 0;
  std::promise<void> told;
  stream->OnClosed([&] {
    ++closed;
    told.set_value();
  });
  stream->Send(Message(1));
  JoinResponse response;
  EXPECT_TRUE(reader->Read(&response));
  context_.TryCancel();
  told.get_future().wait();
  EXPECT_EQ(stream->Send(Message(2)), StreamSend::kRefused);
  stream->End(absl::OkStatus());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown(0);
  EXPECT_EQ(closed, 1);
}

TEST_P(ServerStreamTest, TellsAtOnceWhenItIsOverAlready) {
  auto reader = Join();
  const auto stream = service_.Take();
  stream->End(absl::OkStatus());
  EXPECT_TRUE(reader->Finish().ok());
  server_->Shutdown(0);
  bool closed = false;
  stream->OnClosed([&] { closed = true; });
  EXPECT_TRUE(closed);
}

TEST_P(ServerStreamTest, AServerThatShutsDownEndsItsStreams) {
  auto reader = Join();
  const auto stream = service_.Take();
  std::promise<void> told;
  stream->OnClosed([&] { told.set_value(); });
  server_->Shutdown(0);
  told.get_future().wait();
  JoinResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_FALSE(reader->Finish().ok());
}

TEST_P(ServerStreamTest, SendersOnSeveralThreadsLoseNothing) {
  auto reader = Join();
  const auto stream = service_.Take();
  constexpr int kThreads = 4, kEach = 300;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) EXPECT_NE(stream->Send(Message(i)), StreamSend::kRefused);
    });
  }
  std::thread ending([&] {
    for (std::thread& thread : threads) thread.join();
    stream->End(absl::OkStatus());
  });
  JoinResponse response;
  int read = 0;
  while (reader->Read(&response)) ++read;
  EXPECT_EQ(read, kThreads * kEach);
  EXPECT_TRUE(reader->Finish().ok());
  ending.join();
}

INSTANTIATE_TEST_SUITE_P(Transports, ServerStreamTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "InProcess" : "Tcp"; });

}  // namespace
}  // namespace covet::server
