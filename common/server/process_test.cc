#include "common/server/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "common/server/channel_provider.h"
#include "covet/rooms/v1/rooms.grpc.pb.h"

namespace covet::server {
namespace {

using ::testing::ElementsAre;

// What happened, in order, and what to do then.
struct Script {
  std::vector<std::string> events;
  std::function<void(const std::string& event)> then = [](const std::string&) {};
  void Note(const std::string& event) {
    events.push_back(event);
    then(event);
  }
};

class ScriptedRole final : public Role {
 public:
  ScriptedRole(std::string name, const RoleContext& context, Script* script)
      : name_(std::move(name)), context_(context), script_(*script) {
    script_.Note(name_ + " made");
  }
  ~ScriptedRole() override { script_.Note(name_ + " gone"); }

  std::string_view name() const override { return name_; }
  std::vector<grpc::Service*> services() override {
    if (name_ == "rooms") return {&service_};
    return {};
  }
  absl::Status Start() override {
    EXPECT_TRUE(context_.channels->ChannelTo("rooms").ok());
    script_.Note(name_ + " started");
    return absl::OkStatus();
  }
  bool Ready() const override { return true; }
  void Drain(int64_t, std::function<void()> done) override {
    script_.Note(name_ + " drained");
    done();
  }
  void Stop() override { script_.Note(name_ + " stopped"); }
  void Reload(std::shared_ptr<const config::v1::Config> config) override {
    script_.Note(absl::StrCat(name_, " reloaded ", config->edge().max_connections()));
  }

 private:
  const std::string name_;
  const RoleContext context_;
  Script& script_;
  rooms::v1::RoomService::CallbackService service_;
};

class ProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    file_ = absl::StrCat(testing::TempDir(), "/",
                         testing::UnitTest::GetInstance()->current_test_info()->name(), ".yaml");
    WriteConfig(5);
    options_.version = "test";
    for (const char* name : {"edge", "rooms"}) {
      options_.roles.push_back({name, [this, name](const RoleContext& context) {
                                  return std::make_unique<ScriptedRole>(name, context, &script_);
                                }});
    }
  }

  void WriteConfig(int max_connections) {
    std::ofstream(file_) << "targets: [edge, rooms]\n"
                            "edge: {max_connections: "
                         << max_connections
                         << "}\n"
                            "grpc: {listen: \"127.0.0.1:0\"}\nadmin: {listen: \"127.0.0.1:0\"}\n"
                            "logging: {level: error}\n"
                            "peers: {cluster_key: {value: 0123456789abcdef}}\n";
  }

  int Run() {
    options_.sources.file = file_;
    auto config = config::Load(options_.sources);
    EXPECT_TRUE(config.ok()) << config.status();
    if (!config.ok()) return -1;
    options_.config = std::make_shared<const config::v1::Config>(*std::move(config));
    return RunProcess(options_);
  }

  std::string file_;
  ProcessOptions options_;
  Script script_;
};

TEST_F(ProcessTest, StartsServicesFirstAndDrainsTheEdgeFirst) {
  script_.then = [](const std::string& event) {
    if (event == "edge started") kill(getpid(), SIGTERM);
  };
  EXPECT_EQ(Run(), 0);
  EXPECT_THAT(
      script_.events,
      ElementsAre("rooms made", "edge made", "rooms started", "edge started", "edge drained",
                  "edge stopped", "rooms drained", "rooms stopped", "rooms gone", "edge gone"));
}

TEST_F(ProcessTest, HangupReloads) {
  script_.then = [&](const std::string& event) {
    if (event == "edge started") {
      WriteConfig(6);
      kill(getpid(), SIGHUP);
    } else if (event == "edge reloaded 6") {
      kill(getpid(), SIGINT);
    }
  };
  EXPECT_EQ(Run(), 0);
  EXPECT_THAT(script_.events, ::testing::IsSupersetOf({"rooms reloaded 6", "edge reloaded 6"}));
}

TEST_F(ProcessTest, AFactoryThatFailsEndsTheProcess) {
  options_.roles[0].make = [](const RoleContext&) {
    return absl::UnavailableError("the directory is taken");
  };
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(script_.events, ElementsAre("rooms made", "rooms stopped", "rooms gone"));
}

TEST_F(ProcessTest, ARoleThatCannotGoOnDrainsTheProcess) {
  std::function<void(absl::Status)> fail;
  options_.roles[1].make = [&](const RoleContext& context) {
    fail = context.fail;
    return std::make_unique<ScriptedRole>("rooms", context, &script_);
  };
  script_.then = [&](const std::string& event) {
    if (event == "edge started") fail(absl::InternalError("broken"));
  };
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(script_.events, ::testing::Contains("edge drained"));
}

TEST_F(ProcessTest, ARoleThatTheProgramLacksIsRefused) {
  options_.roles.pop_back();
  EXPECT_EQ(Run(), 1);
}

using ProcessDeathTest = ProcessTest;

TEST_F(ProcessDeathTest, ASecondSignalEndsAtOnce) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  script_.then = [](const std::string& event) {
    if (event == "edge started") kill(getpid(), SIGTERM);
    if (event != "edge drained") return;
    kill(getpid(), SIGTERM);
    pause();
  };
  EXPECT_EXIT(Run(), testing::ExitedWithCode(128 + SIGTERM), "");
}

}  // namespace
}  // namespace covet::server
