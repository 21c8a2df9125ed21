#pragma once

#include <grpcpp/channel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/logging/log.h"
#include "common/policy/policy.h"
#include "common/server/role.h"
#include "common/server/serving_test_fixture.h"

namespace covet::server {

// One role behind a server of its own, with a directory that outlives it: it can be stopped and
// made again. Every caller may do everything.
class RoleTest : public ServingTest {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = absl::StrCat(testing::TempDir(), "/", test->test_suite_name());
    std::filesystem::remove_all(directory_);
    role_config_ = config::DefaultConfig();
    role_config_.mutable_storage()->set_data_dir(directory_);
  }
  void TearDown() override {
    if (role_ != nullptr) StopServer();
    role_.reset();
    ServingTest::TearDown();
    std::filesystem::remove_all(directory_);
  }

  void StartRole(const RoleFactory& factory) {
    RoleContext context;
    context.config = std::make_shared<const config::Config>(role_config_);
    context.metrics = &registry_;
    context.authenticator = &anyone_;
    context.calls = &calls_;
    context.policy = &policy_;
    context.clock = clock_;
    context.ids = &SystemIds();
    absl::StatusOr<std::unique_ptr<Role>> role = factory(context);
    ASSERT_TRUE(role.ok()) << role.status();
    role_ = *std::move(role);
    StartServer(role_->services());
    ASSERT_TRUE(role_->Start().ok());
  }
  // As the process does before it stops its roles.
  void StopServer() {
    channel_.reset();
    channels_.reset();
    server_->Shutdown(0);
  }

  // Waits until no thread of this process has the name; false if one still has after 30 s.
  static bool AwaitThreadGone(const std::string& name) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (RunsThread(name)) {
      if (std::chrono::steady_clock::now() >= patience) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  const log::Capture quiet_;
  config::Config role_config_;
  const Clock* clock_ = &SystemClock();
  std::unique_ptr<Role> role_;

 private:
  static bool RunsThread(const std::string& name) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string its_name;
      // Empty if the thread ended meanwhile.
      std::getline(std::ifstream(task.path() / "comm"), its_name);
      if (its_name == name) return true;
    }
    return false;
  }

  class Anyone final : public CallAuthenticator {
   public:
    absl::StatusOr<Caller> Authenticate(const grpc::CallbackServerContext&,
                                        std::string_view) override {
      Caller caller;
      caller.identity.set_user_id("operator");
      caller.identity.add_roles("operator");
      return caller;
    }
    absl::Status StillHolds(const Caller&) override { return absl::OkStatus(); }
  };

  static std::shared_ptr<const policy::Policy> EverythingIsAllowed() {
    policy::Role role;
    role.name = "operator";
    for (const char* action :
         {"room:read", "room:write", "room:manage", "stream:read", "stream:publish"}) {
      common::v1::Grant& grant = role.grants.emplace_back();
      grant.set_action(action);
      grant.set_pattern("*");
    }
    return std::make_shared<const policy::Policy>(*policy::Policy::Compile({std::move(role)}));
  }

  std::string directory_;
  Anyone anyone_;
  OpenCalls open_calls_{anyone_};
  CallTools calls_{&anyone_, &metrics_, &SystemClock(), &SystemIds(), &open_calls_};
  policy::PolicyStore policy_{EverythingIsAllowed()};
};

}  // namespace covet::server
