// How the core runs sources, and how long what they deliver is kept.
#include "gtest/gtest.h"
#include "services/streams/domain/testing/core_fixture.h"

namespace covet::streams {
namespace {

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
