#include "services/streams/domain/streams_core.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/streams/domain/testing/core_fixture.h"

namespace covet::streams {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(StreamsCoreTest, AnswersWhatWaitsForALogThatGoes) {
  core_.SetResources({Definition(v1::STREAM_TYPE_METRICS, "db")}, [](const absl::Status&) {});
  absl::Status published;
  core_.Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db", Records(1),
                [&](const auto& result) { published = result.status(); });
  core_.SetResources({}, [](const absl::Status&) {});
  EXPECT_EQ(CodeOf(published), ErrorCode::kNotFound);
  executor_.Run();
}

TEST_F(StreamsCoreTest, ChecksPermissionBeforeExistence) {
  Set({Definition(v1::STREAM_TYPE_METRICS, "db"), Definition(v1::STREAM_TYPE_EVENTS, "orders")});
  const auto code = [](const auto& result) { return CodeOf(result.status()); };
  EXPECT_EQ(code(Publish(Caller("viewer"), v1::STREAM_TYPE_METRICS, "db")),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(code(Publish(Caller("viewer"), v1::STREAM_TYPE_METRICS, "no")),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(code(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "no")), ErrorCode::kNotFound);
  EXPECT_EQ(code(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "a b")),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(Publish(Caller("admin"), v1::STREAM_TYPE_UNSPECIFIED, "db")),
            ErrorCode::kInvalidArgument);
  EXPECT_TRUE(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db").ok());
  TestFollower follower;
  follower.caller = Caller("viewer");
  EXPECT_EQ(code(*Follow(follower, {}, v1::STREAM_TYPE_EVENTS, "orders")),
            ErrorCode::kPermissionDenied);
  const auto missing = Follow(follower, {}, v1::STREAM_TYPE_METRICS, "no");
  EXPECT_EQ(code(*missing), ErrorCode::kSubscriptionFailed);
  EXPECT_EQ(ReasonOf(missing->status()), "RESOURCE_NOT_FOUND");
  // A peer reads for its users, and publishes nothing.
  const StreamCaller peer{std::make_shared<const common::v1::Identity>(), true};
  EXPECT_EQ(code(Publish(peer, v1::STREAM_TYPE_METRICS, "db")), ErrorCode::kPermissionDenied);
  TestFollower edge;
  edge.caller = peer;
  EXPECT_TRUE(Follow(edge, {}, v1::STREAM_TYPE_EVENTS, "orders")->ok());
}

TEST_F(StreamsCoreTest, BeginsWhereTheReaderAsks) {
  Set({Definition(v1::STREAM_TYPE_METRICS, "db")});
  ASSERT_TRUE(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db", 20).ok());
  TestFollower live;
  const auto start = Follow(live);
  EXPECT_EQ((*start)->cursor, 20);
  EXPECT_FALSE((*start)->recovered);
  const std::string epoch = (*start)->epoch;
  ASSERT_TRUE(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db").ok());
  EXPECT_EQ(live.advances, 1);

  const auto resume = [&](const std::string& at_epoch, int64_t offset) {
    TestFollower follower;
    v1::SubscribeRequest request;
    request.set_history(3);
    request.mutable_resume()->set_epoch(at_epoch);
    request.mutable_resume()->set_offset(offset);
    auto result = **Follow(follower, request);
    core_.Unfollow(result.stream, &follower);
    return std::tuple(result.cursor, result.head, result.recovered);
  };
  EXPECT_EQ(resume(epoch, 7), std::tuple(7, 21, true));
  EXPECT_EQ(resume(epoch, 21), std::tuple(21, 21, true));
  EXPECT_EQ(resume(epoch, 22), std::tuple(21, 21, false));
  EXPECT_EQ(resume("other", 7), std::tuple(21, 21, false));

  TestFollower history;
  v1::SubscribeRequest request;
  request.set_history(3);
  EXPECT_EQ((*Follow(history, request))->cursor, 18);
  request.set_history(50);
  EXPECT_EQ((*Follow(history, request))->cursor, 0);
  core_.Unfollow((*start)->stream, &live);
  core_.Unfollow((*start)->stream, &history);
  core_.Unfollow((*start)->stream, &history);
  EXPECT_EQ(core_.follower_count(), 0);
}

TEST_F(StreamsCoreTest, ReplaysAtMostSoMuchButForEdges) {
  Set({Definition(v1::STREAM_TYPE_METRICS, "db")});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db", 5'000).ok());
  }
  TestFollower user;
  v1::SubscribeRequest request;
  request.mutable_resume()->set_epoch((*Follow(user))->epoch);
  request.mutable_resume()->set_offset(10);
  TestFollower resumed;
  const auto start = Follow(resumed, request);
  EXPECT_EQ((*start)->cursor, 5'000);
  EXPECT_FALSE((*start)->recovered);
  TestFollower edge;
  edge.caller = {std::make_shared<const common::v1::Identity>(), true};
  EXPECT_EQ((*Follow(edge, request))->cursor, 10);
}

TEST_F(StreamsCoreTest, EndsReadersOfWhatGoesAndOfWhatTheyMayNoLongerRead) {
  Set({Definition(v1::STREAM_TYPE_METRICS, "db"), Definition(v1::STREAM_TYPE_METRICS, "other")});
  TestFollower viewer;
  viewer.caller = Caller("viewer");
  TestFollower admin;
  TestFollower other;
  const auto start = Follow(viewer);
  Follow(admin);
  Follow(other, {}, v1::STREAM_TYPE_METRICS, "other");
  ASSERT_TRUE(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db").ok());
  policy_.Set(std::make_shared<const policy::Policy>(MakePolicy(false)));
  core_.ReviewPermissions();
  EXPECT_EQ(viewer.closed, "permission_revoked");
  EXPECT_EQ(admin.closed, "");
  core_.Unfollow((*start)->stream, &viewer);

  Set({Definition(v1::STREAM_TYPE_METRICS, "other")});
  EXPECT_EQ(admin.closed, "removed");
  EXPECT_EQ(other.closed, "");
  EXPECT_EQ(CodeOf(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db").status()),
            ErrorCode::kNotFound);
  // It comes back with what it had.
  Set({Definition(v1::STREAM_TYPE_METRICS, "other"), Definition(v1::STREAM_TYPE_METRICS, "db")});
  TestFollower again;
  const auto back = Follow(again);
  EXPECT_EQ((*back)->head, 1);
  EXPECT_EQ((*back)->epoch, (*start)->epoch);
  // Another kind of log is another log.
  ResourceDefinition memory = Definition(v1::STREAM_TYPE_METRICS, "db");
  memory.memory = true;
  Set({Definition(v1::STREAM_TYPE_METRICS, "other"), memory});
  EXPECT_EQ(again.closed, "reset");
}

TEST_F(StreamsCoreTest, ListsWhatTheCallerMayReadInPages) {
  Set({Definition(v1::STREAM_TYPE_EVENTS, "orders"), Definition(v1::STREAM_TYPE_METRICS, "b"),
       Definition(v1::STREAM_TYPE_METRICS, "a:1"), Definition(v1::STREAM_TYPE_METRICS, "a")});
  const auto list = [&](const std::string& role, v1::ListResourcesRequest request) {
    std::vector<std::string> names;
    for (int pages = 0; pages < 10; ++pages) {
      absl::StatusOr<v1::ListResourcesResponse> page = absl::UnknownError("not yet");
      core_.ListResources(Caller(role), request,
                          [&](auto response) { page = std::move(response); });
      EXPECT_TRUE(page.ok()) << page.status();
      for (const v1::Resource& resource : page->resources())
        names.push_back(resource.resource_id());
      if (page->next_page_token().empty()) break;
      request.set_page_token(page->next_page_token());
    }
    return names;
  };
  v1::ListResourcesRequest request;
  EXPECT_THAT(list("admin", request), ElementsAre("a", "a:1", "b", "orders"));
  request.set_page_size(1);
  EXPECT_THAT(list("admin", request), ElementsAre("a", "a:1", "b", "orders"));
  EXPECT_THAT(list("viewer", request), ElementsAre("a", "a:1", "b"));
  EXPECT_THAT(list("nobody", request), IsEmpty());
  request.set_prefix("a");
  EXPECT_THAT(list("admin", request), ElementsAre("a", "a:1"));
  request.set_stream_type(v1::STREAM_TYPE_EVENTS);
  EXPECT_THAT(list("admin", request), IsEmpty());
  request.set_page_token("nonsense");
  core_.ListResources(Caller("admin"), request, [](const auto& response) {
    EXPECT_EQ(CodeOf(response.status()), ErrorCode::kInvalidArgument);
  });
}

}  // namespace
}  // namespace covet::streams
