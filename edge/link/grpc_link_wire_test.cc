#include "edge/link/grpc_link_wire.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/server/serving_test_fixture.h"
#include "covet/rooms/v1/link.grpc.pb.h"
#include "edge/rooms/link_client.h"

namespace covet::edge {
namespace {

using rooms::v1::EdgeFrame;
using rooms::v1::OwnerFrame;
using Reactor = grpc::ServerBidiReactor<EdgeFrame, OwnerFrame>;

// When a link is ended by its server.
enum class End { kAtOnce, kAfterMetadata, kAfterHello, kAfterFrame };

class EndingLink final : public Reactor {
 public:
  explicit EndingLink(End end) : end_(end) {
    if (end_ == End::kAtOnce) {
      Refuse();
      return;
    }
    StartSendInitialMetadata();
    if (end_ == End::kAfterMetadata) return;
    StartRead(&in_);
  }
  void OnSendInitialMetadataDone(bool) override {
    if (end_ == End::kAfterMetadata) Refuse();
  }
  void OnReadDone(bool ok) override {
    if (!ok || end_ == End::kAfterHello) return Refuse();
    StartWrite(&out_);
  }
  void OnWriteDone(bool) override { Refuse(); }
  void OnDone() override { delete this; }

 private:
  ~EndingLink() override = default;
  void Refuse() { Finish(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no")); }

  const End end_;
  EdgeFrame in_;
  OwnerFrame out_;
};

// Counts the links that come.
class EndingService final : public rooms::v1::RoomLinkService::CallbackService {
 public:
  explicit EndingService(End end) : end_(end) {}
  Reactor* Connect(grpc::CallbackServerContext*) override {
    {
      const absl::MutexLock lock(&mutex_);
      ++links_;
    }
    return new EndingLink(end_);
  }
  bool WaitForLinks(int count) {
    const absl::MutexLock lock(&mutex_);
    const auto come = [&]() { return links_ >= count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&come), absl::Seconds(60));
  }

 private:
  const End end_;
  absl::Mutex mutex_;
  int links_ = 0;
};

class NoDispatcher final : public LinkDispatcher {
 public:
  void Dispatch(std::shared_ptr<const LinkBatch>) override {}
};

class GrpcLinkWireTest : public server::ServingTest {
 protected:
  // A link that the server ends again and again comes up again and again.
  void ExpectReconnects(End end) {
    EndingService service(end);
    StartServer({&service});
    NoDispatcher dispatcher;
    GrpcLinkWire<rooms::v1::RoomLinkService, EdgeFrame, OwnerFrame, LinkClient> wire("rooms",
                                                                                     channel_);
    LinkOptions options;
    options.times.silence_ms = 1'000'000;  // Silence ends no stream here.
    options.times.max_backoff_ms = 20;
    LinkClient client(options, SystemClock(), SystemIds(), wire, dispatcher);
    wire.Bind(&client);
    client.Start();
    absl::Mutex mutex;
    bool stop = false;
    std::thread ticker([&] {
      const absl::MutexLock lock(&mutex);
      while (!mutex.AwaitWithTimeout(absl::Condition(&stop), absl::Milliseconds(5))) client.Tick();
    });
    EXPECT_TRUE(service.WaitForLinks(20));
    {
      const absl::MutexLock lock(&mutex);
      stop = true;
    }
    ticker.join();
    client.Stop();
    wire.Shutdown();
    server_->Shutdown(0);
    server_.reset();
  }
};

TEST_P(GrpcLinkWireTest, RefusedAtOnce) { ExpectReconnects(End::kAtOnce); }
TEST_P(GrpcLinkWireTest, EndedAfterInitialMetadata) { ExpectReconnects(End::kAfterMetadata); }
TEST_P(GrpcLinkWireTest, EndedAfterTheHello) { ExpectReconnects(End::kAfterHello); }
TEST_P(GrpcLinkWireTest, EndedAfterAFrame) { ExpectReconnects(End::kAfterFrame); }

INSTANTIATE_TEST_SUITE_P(Transports, GrpcLinkWireTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "InProcess" : "Tcp"; });

}  // namespace
}  // namespace covet::edge
