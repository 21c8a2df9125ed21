#include "common/server/unary_call.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "common/errors/error.h"
#include "common/errors/refusals.h"
#include "common/logging/log.h"
#include "common/metrics/conventions.h"
#include "common/server/serving_test_fixture.h"
#include "covet/rooms/v1/rooms.grpc.pb.h"

namespace covet::server {
namespace {

using rooms::v1::GetRoomRequest;
using rooms::v1::Room;
using rooms::v1::RoomService;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kGetRoom[] = "/covet.rooms.v1.RoomService/GetRoom";

class RoomsFake final : public RoomService::CallbackService {
 public:
  explicit RoomsFake(const CallTools& tools) : tools_(tools) {}

  grpc::ServerUnaryReactor* GetRoom(grpc::CallbackServerContext* context,
                                    const GetRoomRequest* request, Room* response) override {
    return HandleUnary(
        tools_, context, kGetRoom, request, response,
        [this](const CallInfo& info, const GetRoomRequest& asked, Room* room, UnaryDone done) {
          if (asked.room_id() == "missing") {
            return done(MakeError(ErrorCode::kRoomNotFound, "no such room"));
          }
          if (asked.room_id() == "secret") return done(PermissionDenied("room:read", "secret"));
          if (asked.room_id() == "theirs") return done(absl::PermissionDeniedError("for edges"));
          if (asked.room_id() == "dropped") return;
          if (asked.room_id() == "later") {
            std::lock_guard lock(mutex_);
            later_ = std::move(done);
            changed_.notify_all();
            return;
          }
          room->set_room_id(asked.room_id());
          room->set_epoch(info.caller.identity.user_id());
          done(absl::OkStatus());
          done(absl::InternalError("a second end does nothing"));
        });
  }

  UnaryDone TakeLater() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return later_.has_value(); });
    UnaryDone done = *std::move(later_);
    later_.reset();
    return done;
  }

 private:
  const CallTools& tools_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<UnaryDone> later_;
};

class UnaryCallTest : public ServingTest {
 protected:
  void SetUp() override {
    StartServer({&service_});
    stub_ = RoomService::NewStub(channel_);
  }

  grpc::Status Get(grpc::ClientContext* context, const std::string& room_id, Room* room) {
    GetRoomRequest request;
    request.set_room_id(room_id);
    return stub_->GetRoom(context, request, room);
  }

  RoomsFake service_{tools_};
  std::unique_ptr<RoomService::Stub> stub_;
};

TEST_P(UnaryCallTest, AnswersAKnownCallerAndCounts) {
  grpc::ClientContext context;
  context.AddMetadata("x-user", "alice");
  context.AddMetadata(kCorrelationIdKey, "cor-1");
  Room room;
  const grpc::Status status = Get(&context, "r", &room);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(room.room_id(), "r");
  EXPECT_EQ(room.epoch(), "alice");
  EXPECT_EQ(context.GetServerInitialMetadata().find(kCorrelationIdKey)->second, "cor-1");
  EXPECT_EQ(Requests("covet.rooms.v1.RoomService/GetRoom", "OK"), 1);
  EXPECT_THAT(metrics::ConventionViolations(registry_.List()), ::testing::IsEmpty());
}

TEST_P(UnaryCallTest, RefusesAnUnknownCallerBeforeTheHandler) {
  const log::Capture capture;
  grpc::ClientContext context;
  Room room;
  const grpc::Status status = Get(&context, "r", &room);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(), "who are you?");
  EXPECT_EQ(Requests("covet.rooms.v1.RoomService/GetRoom", "UNAUTHENTICATED"), 1);
  EXPECT_THAT(capture.lines(), Contains(HasSubstr("\"event\":\"call_refused\",\"audit\":true")));
}

TEST_P(UnaryCallTest, TellsOfARefusalOnce) {
  const auto refusals = [this](const std::string& room_id, bool peer) {
    const log::Capture capture;
    grpc::ClientContext context;
    context.AddMetadata("x-user", "alice");
    context.AddMetadata(kCorrelationIdKey, "cor-1");
    if (peer) context.AddMetadata("x-peer", "");
    Room room;
    EXPECT_EQ(Get(&context, room_id, &room).error_code(), grpc::StatusCode::PERMISSION_DENIED);
    std::vector<std::string> lines = capture.lines();
    std::erase_if(lines, [](const std::string& line) {
      return line.find("\"permission_denied\"") == std::string::npos;
    });
    return lines;
  };
  EXPECT_THAT(refusals("secret", false),
              ElementsAre(HasSubstr(
                  R"("audit":true,"user_id":"alice","method":"/covet.rooms.v1.RoomService/)"
                  R"(GetRoom","action":"room:read","resource":"secret","reason":"You may )"
                  R"(not room:read on secret","correlation_id":"cor-1")")));
  EXPECT_THAT(refusals("theirs", false),
              ElementsAre(HasSubstr(
                  R"("action":"grpc:call","resource":"/covet.rooms.v1.RoomService/GetRoom",)"
                  R"("reason":"for edges")")));
  // The peer that alice came in by tells of it.
  EXPECT_THAT(refusals("secret", true), IsEmpty());
}

TEST_P(UnaryCallTest, MakesACorrelationIdWhereNoneOrABadOneIsSent) {
  for (const std::string& sent : {std::string(), std::string("has space"), std::string(129, 'x')}) {
    grpc::ClientContext context;
    context.AddMetadata("x-user", "alice");
    if (!sent.empty()) context.AddMetadata(kCorrelationIdKey, sent);
    Room room;
    ASSERT_TRUE(Get(&context, "r", &room).ok());
    const grpc::string_ref id = context.GetServerInitialMetadata().find(kCorrelationIdKey)->second;
    EXPECT_THAT(std::string(id.data(), id.size()), StartsWith("cor_"));
  }
}

TEST_P(UnaryCallTest, ErrorsCarryTheirReason) {
  grpc::ClientContext context;
  context.AddMetadata("x-user", "alice");
  Room room;
  const grpc::Status status = Get(&context, "missing", &room);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_details(), HasSubstr("ROOM_NOT_FOUND"));
}

TEST_P(UnaryCallTest, ADroppedCallEndsAsInternal) {
  grpc::ClientContext context;
  context.AddMetadata("x-user", "alice");
  Room room;
  EXPECT_EQ(Get(&context, "dropped", &room).error_code(), grpc::StatusCode::INTERNAL);
}

TEST_P(UnaryCallTest, AnswersLaterFromAnotherThread) {
  std::thread answering([this] { service_.TakeLater()(absl::OkStatus()); });
  grpc::ClientContext context;
  context.AddMetadata("x-user", "alice");
  Room room;
  EXPECT_TRUE(Get(&context, "later", &room).ok());
  answering.join();
}

TEST_P(UnaryCallTest, ACallerWhoGoesAwayLeavesNothingBehind) {
  grpc::ClientContext context;
  context.AddMetadata("x-user", "alice");
  Room room;
  std::thread cancelling([&] {
    UnaryDone done = service_.TakeLater();
    context.TryCancel();
    done(absl::OkStatus());
  });
  // The cancellation and the answer race; either is right.
  const grpc::Status status = Get(&context, "later", &room);
  EXPECT_TRUE(status.ok() || status.error_code() == grpc::StatusCode::CANCELLED);
  cancelling.join();
}

INSTANTIATE_TEST_SUITE_P(Transports, UnaryCallTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "InProcess" : "Tcp"; });

}  // namespace
}  // namespace covet::server
