#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/manual_clock.h"
#include "common/errors/error.h"
#include "common/eventlog/memory_event_log.h"
#include "gtest/gtest.h"
#include "services/streams/domain/streams_core.h"
#include "services/streams/domain/testing/queue_executor.h"

namespace covet::streams {

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

inline policy::Policy MakePolicy(bool viewers_read) {
  std::vector<policy::Role> roles = {{"admin", {}}, {"viewer", {}}};
  const auto grant = [](policy::Role& role, const char* action, const char* pattern) {
    role.grants.emplace_back().set_action(action);
    role.grants.back().set_pattern(pattern);
  };
  grant(roles[0], "*", "*");
  if (viewers_read) grant(roles[1], "stream:read", "metrics:*");
  return *policy::Policy::Compile(roles);
}

inline StreamCaller Caller(const std::string& role, const std::string& user = "user_1") {
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

}  // namespace covet::streams
