#include "services/streams/domain/streams_core.h"

#include "common/base/manual_clock.h"
#include "common/errors/error.h"
#include "common/eventlog/memory_event_log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/streams/domain/testing/queue_executor.h"

namespace covet::streams {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A source that the test drives.
class TestSource final : public Source {
 public:
  explicit TestSource(SourceTraits traits) : traits_(traits) {}
  SourceTraits traits() const override { return traits_; }
  std::unique_ptr<SourceRun> Start(SourceStart start, std::shared_ptr<SourceSink> sink) override {
    starts.push_back(std::move(start));
    sinks.push_back(std::move(sink));
    ++running;
    return std::make_unique<Run>(*this);
  }

  std::vector<SourceStart> starts;
  std::vector<std::shared_ptr<SourceSink>> sinks;
  int running = 0;

 private:
  struct Run final : SourceRun {
    explicit Run(TestSource& of) : source(of) {}
    ~Run() override { --source.running; }
    TestSource& source;
  };
  const SourceTraits traits_;
};

struct TestFollower final : StreamFollower {
  void OnAdvance() override { ++advances; }
  void OnTick() override {}
  void OnClosed(const std::string& reason) override { closed = reason; }
  int advances = 0;
  std::string closed;
};

policy::Policy MakePolicy(bool viewers_read) {
  std::vector<policy::Role> roles = {{"admin", {}}, {"viewer", {}}};
  const auto grant = [](policy::Role& role, const char* action, const char* pattern) {
    role.grants.emplace_back().set_action(action);
    role.grants.back().set_pattern(pattern);
  };
  grant(roles[0], "*", "*");
  if (viewers_read) grant(roles[1], "stream:read", "metrics:*");
  return *policy::Policy::Compile(roles);
}

StreamCaller Caller(const std::string& role, const std::string& user = "user_1") {
  common::v1::Identity identity;
  identity.set_user_id(user);
  identity.add_roles(role);
  return {std::make_shared<const common::v1::Identity>(identity), false};
}

class StreamsCoreTest : public testing::Test {
 protected:
  // A source that runs and its driver hold each other.
  ~StreamsCoreTest() override {
    core_.StopSources([] {});
    executor_.Run();
  }

  static eventlog::MemoryOptions LogOptions(QueueExecutor& executor) {
    return {
        .executor = [&executor](std::function<void()> task) { executor.Post(std::move(task)); }};
  }

  static ResourceDefinition Definition(v1::StreamType type, const std::string& id) {
    ResourceDefinition definition;
    definition.type = type;
    definition.id = id;
    return definition;
  }

  void Set(std::vector<ResourceDefinition> definitions) {
    absl::Status result = absl::UnknownError("not yet");
    core_.SetResources(std::move(definitions),
                       [&](absl::Status status) { result = std::move(status); });
    executor_.Run();
    ASSERT_TRUE(result.ok()) << result;
  }

  // A resource `metrics:db` with a source.
  std::shared_ptr<TestSource> SetSource(SourceTraits traits, int64_t max_age_ms = 0) {
    auto source = std::make_shared<TestSource>(traits);
    ResourceDefinition definition = Definition(v1::STREAM_TYPE_METRICS, "db");
    definition.memory = traits.on_demand;
    definition.retention.max_age_ms = max_age_ms;
    definition.source = source;
    Set({definition});
    return source;
  }

  void Advance(int64_t ms) {
    clock_.AdvanceMillis(ms);
    core_.Tick();
    executor_.Run();
  }

  absl::StatusOr<std::pair<std::string, Appended>> Publish(const StreamCaller& caller,
                                                           v1::StreamType type,
                                                           const std::string& id, int count = 1) {
    absl::StatusOr<std::pair<std::string, Appended>> result = absl::UnknownError("not yet");
    core_.Publish(caller, type, id, Records(count),
                  [&](auto published) { result = std::move(published); });
    executor_.Run();
    return result;
  }

  RecordBuffer Records(int count) {
    RecordBuffer buffer(clock_.WallMillis());
    for (int i = 0; i < count; ++i) EXPECT_TRUE(buffer.Add("{\"a\":1}").ok());
    return buffer;
  }

  using Start = absl::StatusOr<StreamsCore::FollowStart>;
  std::shared_ptr<Start> Follow(TestFollower& follower, v1::SubscribeRequest request = {},
                                v1::StreamType type = v1::STREAM_TYPE_METRICS,
                                const std::string& id = "db") {
    if (follower.caller.identity == nullptr) follower.caller = Caller("admin");
    request.set_stream_type(type);
    request.set_resource_id(id);
    auto result = std::make_shared<Start>(absl::UnknownError("not yet"));
    core_.Follow(request, &follower, [result](Start start) { *result = std::move(start); });
    executor_.Run();
    return result;
  }

  static std::string ReasonOf(const absl::Status& status) { return DetailsOf(status)["reason"]; }

  v1::Resource Described() {
    v1::ListResourcesResponse page;
    core_.ListResources(Caller("admin"), {}, [&](auto response) { page = *response; });
    return page.resources(0);
  }

  ManualClock clock_;
  SeededIds ids_{1};
  QueueExecutor executor_;
  eventlog::MemoryEventLog disk_{LogOptions(executor_)};
  eventlog::MemoryEventLog memory_{LogOptions(executor_)};
  policy::PolicyStore policy_{std::make_shared<const policy::Policy>(MakePolicy(true))};
  StreamsCore core_{{}, {clock_, ids_, executor_, executor_, disk_, memory_, policy_}};
};

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

TEST_F(StreamsCoreTest, RunsASourceFromTheStartAndTellsHowItIs) {
  const auto source = SetSource({});
  ASSERT_EQ(source->running, 1);
  EXPECT_EQ(source->starts[0].position, "");
  EXPECT_FALSE(source->starts[0].again);
  EXPECT_EQ(Described().source().state(), v1::SOURCE_STATE_CONNECTING);
  TestFollower early;
  const auto waiting = Follow(early);
  EXPECT_EQ(waiting->status().code(), absl::StatusCode::kUnknown);
  source->sinks[0]->SetLive();
  source->sinks[0]->SetLag({.ms = 1'500, .bytes = 70});
  executor_.Run();
  EXPECT_TRUE(waiting->ok());
  absl::Status committed = absl::UnknownError("not yet");
  EXPECT_EQ(source->sinks[0]->Append(Records(2), [&](absl::Status s) { committed = std::move(s); }),
            SourceAppend::kQueued);
  executor_.Run();
  EXPECT_TRUE(committed.ok());
  EXPECT_EQ(early.advances, 1);
  const v1::SourceStatus status = Described().source();
  EXPECT_EQ(status.state(), v1::SOURCE_STATE_LIVE);
  EXPECT_EQ(status.lag().seconds(), 1);
  EXPECT_EQ(status.lag().nanos(), 500'000'000);
  EXPECT_EQ(status.lag_bytes(), 70);
  EXPECT_TRUE(status.has_last_record_at());
  EXPECT_EQ(core_.sources().max_lag_ms, 1'500);
  EXPECT_EQ(core_.sources().lag_bytes, 70);
}

TEST_F(StreamsCoreTest, StartsAFailedSourceAgainFromWhatIsCommitted) {
  const auto source = SetSource({});
  source->sinks[0]->SetLive();
  RecordBuffer records = Records(1);
  records.SetPosition("here");
  source->sinks[0]->Append(std::move(records));
  source->sinks[0]->Fail(absl::UnavailableError("connection refused"));
  executor_.Run();
  EXPECT_EQ(source->running, 0);
  EXPECT_EQ(Described().source().state(), v1::SOURCE_STATE_FAILED);
  EXPECT_EQ(Described().source().last_error(), "connection refused");
  TestFollower follower;
  const auto down = Follow(follower);
  EXPECT_EQ(ReasonOf(down->status()), "SOURCE_DOWN");
  // A reader that goes on is not turned away, nor is what comes late from the old run taken.
  EXPECT_EQ(source->sinks[0]->Append(Records(1)), SourceAppend::kRefused);
  source->sinks[0]->SetLive();
  v1::SubscribeRequest resume;
  resume.mutable_resume()->set_epoch(Described().epoch());
  resume.mutable_resume()->set_offset(1);
  TestFollower edge;
  EXPECT_TRUE(Follow(edge, resume)->ok());
  Advance(200);
  EXPECT_EQ(source->running, 0);
  Advance(400);
  ASSERT_EQ(source->running, 1);
  EXPECT_EQ(source->starts[1].position, "here");
  EXPECT_TRUE(source->starts[1].again);
  EXPECT_EQ(Described().source().state(), v1::SOURCE_STATE_CONNECTING);
  // Each failure in a row waits longer.
  source->sinks[1]->Fail(absl::UnavailableError("again"));
  executor_.Run();
  Advance(499);
  EXPECT_EQ(source->running, 0);
  Advance(600);
  EXPECT_EQ(source->running, 1);
  EXPECT_EQ(core_.source_counters().failures, 2);
  EXPECT_EQ(core_.source_counters().starts, 3);
}

TEST_F(StreamsCoreTest, RunsASourceOnDemandAndThroughTheResumeWindow) {
  const auto source = SetSource({.on_demand = true}, 1'000);
  Advance(100);
  EXPECT_EQ(source->running, 0);
  EXPECT_EQ(Described().source().state(), v1::SOURCE_STATE_IDLE);
  TestFollower follower;
  const auto start = Follow(follower);
  ASSERT_EQ(source->running, 1);
  source->sinks[0]->SetLive();
  executor_.Run();
  ASSERT_TRUE(start->ok());
  core_.Unfollow((*start)->stream, &follower);
  Advance(999);
  EXPECT_EQ(source->running, 1);
  Advance(1);
  EXPECT_EQ(source->running, 0);
  EXPECT_EQ(Described().source().state(), v1::SOURCE_STATE_IDLE);
}

TEST_F(StreamsCoreTest, AReaderWhoComesBackWithinTheWindowMissesNothing) {
  const auto source = SetSource({.on_demand = true}, 1'000);
  TestFollower follower;
  auto start = Follow(follower);
  source->sinks[0]->SetLive();
  source->sinks[0]->Append(Records(2));
  executor_.Run();
  ASSERT_TRUE(start->ok());
  const std::string epoch = (*start)->epoch;
  core_.Unfollow((*start)->stream, &follower);
  Advance(900);
  source->sinks[0]->Append(Records(3));
  executor_.Run();
  v1::SubscribeRequest resume;
  resume.mutable_resume()->set_epoch(epoch);
  resume.mutable_resume()->set_offset(2);
  start = Follow(follower, resume);
  ASSERT_TRUE(start->ok());
  EXPECT_TRUE((*start)->recovered);
  EXPECT_EQ((*start)->cursor, 2);
  EXPECT_EQ((*start)->head, 5);
  EXPECT_EQ(source->starts.size(), 1);
  // The window begins anew with the last reader's going.
  Advance(5'000);
  core_.Unfollow((*start)->stream, &follower);
  Advance(999);
  EXPECT_EQ(source->running, 1);
  EXPECT_EQ(Described().epoch(), epoch);
  // After it nothing is left, and whoever comes is told so.
  Advance(1);
  EXPECT_EQ(source->running, 0);
  EXPECT_EQ(Described().last_offset(), 0);
  EXPECT_NE(Described().epoch(), epoch);
  start = Follow(follower, resume);
  ASSERT_EQ(source->starts.size(), 2);
  source->sinks[1]->SetLive();
  executor_.Run();
  ASSERT_TRUE(start->ok());
  EXPECT_FALSE((*start)->recovered);
  EXPECT_EQ((*start)->epoch, Described().epoch());
}

TEST_F(StreamsCoreTest, AnUnreadSourceThatFailsIsStartedAgainWithinTheWindow) {
  const auto source = SetSource({.on_demand = true}, 60'000);
  TestFollower follower;
  const auto start = Follow(follower);
  source->sinks[0]->SetLive();
  executor_.Run();
  ASSERT_TRUE(start->ok());
  core_.Unfollow((*start)->stream, &follower);
  source->sinks[0]->Fail(absl::UnavailableError("gone"));
  executor_.Run();
  ASSERT_EQ(source->running, 0);
  Advance(1'000);
  ASSERT_EQ(source->running, 1);
  EXPECT_TRUE(source->starts[1].again);
  Advance(59'000);
  EXPECT_EQ(source->running, 0);
  Advance(60'000);
  EXPECT_EQ(source->starts.size(), 2);
}

TEST_F(StreamsCoreTest, WhatWasPublishedStaysAsLongWithoutReaders) {
  const auto source = SetSource({.on_demand = true}, 1'000);
  Advance(5'000);
  ASSERT_TRUE(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db").ok());
  Advance(999);
  EXPECT_EQ(Described().last_offset(), 1);
  Advance(1);
  EXPECT_EQ(Described().last_offset(), 0);
  EXPECT_EQ(source->starts.size(), 0);
}

TEST_F(StreamsCoreTest, AWindowThatBecomesShorterEndsWhatIsOverByIt) {
  const auto source = SetSource({.on_demand = true}, 60'000);
  TestFollower follower;
  const auto start = Follow(follower);
  source->sinks[0]->SetLive();
  executor_.Run();
  core_.Unfollow((*start)->stream, &follower);
  Advance(2'000);
  EXPECT_EQ(source->running, 1);
  ResourceDefinition definition = Definition(v1::STREAM_TYPE_METRICS, "db");
  definition.memory = true;
  definition.source = source;
  definition.retention.max_age_ms = 1'000;
  Set({definition});
  Advance(1);
  EXPECT_EQ(source->running, 0);
}

TEST_F(StreamsCoreTest, GivesUpWaitingForASourceThatDoesNotConnect) {
  const auto source = SetSource({.on_demand = true});
  TestFollower follower;
  const auto start = Follow(follower);
  Advance(9'000);
  EXPECT_EQ(start->status().code(), absl::StatusCode::kUnknown);
  Advance(1'000);
  EXPECT_EQ(ReasonOf(start->status()), "SOURCE_DOWN");
  Advance(1);
  EXPECT_EQ(source->running, 0);
}

TEST_F(StreamsCoreTest, HoldsASourceUpThatIsAheadOfTheLog) {
  const auto source = SetSource({});
  std::vector<SourceAppend> results;
  for (int i = 0; i < 200 && source->running == 1; ++i) {
    RecordBuffer buffer(clock_.WallMillis());
    ASSERT_TRUE(buffer.Add("{\"x\":\"" + std::string(60'000, 'x') + "\"}").ok());
    results.push_back(source->sinks[0]->Append(std::move(buffer)));
    if (results.back() == SourceAppend::kRefused) break;
  }
  EXPECT_EQ(results.front(), SourceAppend::kQueued);
  EXPECT_EQ(results[results.size() - 2], SourceAppend::kBackpressure);
  EXPECT_EQ(results.back(), SourceAppend::kRefused);
  executor_.Run();
  EXPECT_EQ(Described().source().state(), v1::SOURCE_STATE_FAILED);
}

TEST_F(StreamsCoreTest, GivesEachUserAndFilterAStreamWhereTheSourceAsksForIt) {
  const auto source = SetSource({.on_demand = true, .per_user = true, .per_filter = true}, 500);
  TestFollower edge;
  edge.caller = {std::make_shared<const common::v1::Identity>(), true};
  EXPECT_TRUE((*Follow(edge))->per_user);
  v1::SubscribeRequest tagged;
  tagged.mutable_filter()->add_tags("t");
  TestFollower one;
  TestFollower same;
  TestFollower filtered;
  TestFollower other;
  one.caller = same.caller = filtered.caller = Caller("admin", "one");
  other.caller = Caller("admin", "other");
  const auto start = Follow(one);
  const auto shared = Follow(same);
  Follow(filtered, tagged);
  Follow(other);
  EXPECT_EQ(source->running, 3);
  EXPECT_EQ(source->starts[0].identity->user_id(), "one");
  EXPECT_EQ(source->starts[1].filter.tags(0), "t");
  EXPECT_EQ(source->starts[2].identity->user_id(), "other");
  source->sinks[0]->SetLive();
  executor_.Run();
  ASSERT_TRUE(start->ok() && shared->ok());
  EXPECT_EQ((*start)->stream, (*shared)->stream);
  EXPECT_EQ(CodeOf(Publish(Caller("admin"), v1::STREAM_TYPE_METRICS, "db").status()),
            ErrorCode::kInvalidArgument);
  core_.Unfollow((*start)->stream, &one);
  core_.Unfollow((*start)->stream, &same);
  Advance(500);
  EXPECT_EQ(source->running, 2);
}

TEST_F(StreamsCoreTest, KeepsAUsersStreamAsLongAsItsRecordsAfterTheLastReader) {
  const auto source = SetSource({.on_demand = true, .per_user = true}, 60'000);
  const auto follow = [&](TestFollower& follower, const v1::SubscribeRequest& request = {}) {
    follower.caller = Caller("admin", "one");
    const auto start = Follow(follower, request);
    source->sinks.back()->SetLive();
    executor_.Run();
    EXPECT_TRUE(start->ok()) << start->status();
    return **start;
  };
  TestFollower one;
  const auto first = follow(one);
  source->sinks.back()->Append(Records(3));
  executor_.Run();
  core_.Unfollow(first.stream, &one);
  Advance(59'000);
  EXPECT_EQ(source->running, 1);
  v1::SubscribeRequest resume;
  resume.mutable_resume()->set_epoch(first.epoch);
  resume.mutable_resume()->set_offset(1);
  TestFollower later;
  const auto resumed = follow(later, resume);
  EXPECT_TRUE(resumed.recovered);
  EXPECT_EQ(resumed.cursor, 1);
  EXPECT_EQ(source->starts.size(), 1);
  core_.Unfollow(resumed.stream, &later);
  Advance(60'000);
  TestFollower last;
  EXPECT_NE(follow(last).epoch, first.epoch);
}

TEST_F(StreamsCoreTest, TheStreamThatIsLongestUnreadMakesRoom) {
  StreamsOptions options;
  options.max_variants = 2;
  StreamsCore core(options, {clock_, ids_, executor_, executor_, disk_, memory_, policy_});
  const auto source =
      std::make_shared<TestSource>(SourceTraits{.on_demand = true, .per_user = true});
  ResourceDefinition definition = Definition(v1::STREAM_TYPE_METRICS, "db");
  definition.source = source;
  core.SetResources({definition}, [](const absl::Status&) {});
  std::map<std::string, std::unique_ptr<TestFollower>> followers;
  v1::SubscribeRequest request;
  request.set_stream_type(v1::STREAM_TYPE_METRICS);
  request.set_resource_id("db");
  const auto follow = [&](const std::string& user) {
    auto& follower = followers[user] = std::make_unique<TestFollower>();
    follower->caller = Caller("admin", user);
    absl::StatusOr<StreamsCore::FollowStart> start = absl::UnknownError("not yet");
    core.Follow(request, follower.get(), [&](auto answer) { start = std::move(answer); });
    executor_.Run();
    if (source->running > 0) source->sinks.back()->SetLive();
    executor_.Run();
    return start;
  };
  const auto a = follow("a");
  const auto b = follow("b");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(follow("c").status().code(), absl::StatusCode::kUnavailable);
  core.Unfollow(a->stream, followers["a"].get());
  clock_.AdvanceMillis(10);
  core.Unfollow(b->stream, followers["b"].get());
  EXPECT_TRUE(follow("c").ok());
  EXPECT_EQ(follow("b")->epoch, b->epoch);
  core.StopSources([] {});
  executor_.Run();
}

TEST_F(StreamsCoreTest, ASessionOfFewerRolesDoesNotShareTheStreamOfMore) {
  const auto source = SetSource({.on_demand = true, .per_user = true});
  TestFollower more;
  TestFollower fewer;
  more.caller = Caller("admin", "one");
  fewer.caller = Caller("viewer", "one");
  Follow(more);
  Follow(fewer);
  EXPECT_EQ(source->running, 2);
}

TEST_F(StreamsCoreTest, StopsSourcesForGood) {
  const auto source = SetSource({});
  bool stopped = false;
  core_.StopSources([&] { stopped = true; });
  EXPECT_FALSE(stopped);
  executor_.Run();
  EXPECT_TRUE(stopped);
  EXPECT_EQ(source->running, 0);
  Advance(60'000);
  EXPECT_EQ(source->running, 0);
}

}  // namespace
}  // namespace covet::streams
