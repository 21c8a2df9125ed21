#include "services/rpc/calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "common/base/manual_clock.h"
#include "common/logging/log.h"
#include "services/rpc/edge_calls.h"
#include "services/rpc/testing/held_method.h"

namespace covet::rpc {
namespace {

using backends::CallError;
using backends::CallResult;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class CallsTest : public testing::Test {
 protected:
  CallsTest() {
    policy_.emplace(std::make_shared<const policy::Policy>(
        *policy::Policy::Compile({Role("caller", "a.*"), Role("of_package_x", "x.*")})));
    Make({});
    caller_.set_user_id("u");
    caller_.add_roles("caller");
  }
  // A call and its method hold each other until it has ended.
  ~CallsTest() override {
    method_->calls.clear();
    unprefixed_->calls.clear();
  }

  static policy::Role Role(std::string name, const std::string& pattern) {
    policy::Role role;
    role.name = std::move(name);
    common::v1::Grant grant;
    grant.set_action("rpc:call");
    grant.set_pattern(pattern);
    role.grants.push_back(grant);
    return role;
  }
  void Make(Calls::Options options) {
    calls_ = std::make_unique<Calls>(options, clock_, *policy_, metrics_);
    std::vector<NameClash> clashes;
    calls_->SetMethods(std::make_shared<const MethodRegistry>(
        std::vector<MethodPtr>{method_, unprefixed_}, std::vector<AwaitedNames>(), &clashes));
  }
  std::shared_ptr<backends::BackendCall> Start(const std::string& method) {
    return calls_->Start({.identity = caller_,
                          .correlation_id = "c",
                          .method = method,
                          .params = "{}",
                          .timeout_ms = 77},
                         [this](CallResult result) { results_.push_back(std::move(result)); });
  }
  std::string LastCode() {
    const auto* error = std::get_if<CallError>(&results_.back());
    return error == nullptr ? "OK" : error->code;
  }

  log::Capture log_;
  ManualClock clock_;
  metrics::Registry registry_;
  RpcMetrics metrics_{&registry_};
  std::optional<Snapshot<policy::Policy>> policy_;
  std::shared_ptr<HeldMethod> method_ =
      std::make_shared<HeldMethod>("a.get", "x.A/Get", "shop", &metrics_);
  std::shared_ptr<HeldMethod> unprefixed_ =
      std::make_shared<HeldMethod>("", "x.B/Get", "shop", &metrics_);
  std::unique_ptr<Calls> calls_;
  common::v1::Identity caller_;
  std::vector<CallResult> results_;
};

TEST_F(CallsTest, CallsAndCounts) {
  EXPECT_NE(Start("a.get"), nullptr);
  ASSERT_THAT(method_->calls, SizeIs(1));
  EXPECT_EQ(method_->calls[0]->timeout_ms, 77);
  EXPECT_EQ(method_->calls[0]->user_id, "u");
  EXPECT_THAT(registry_.TextExposition(), HasSubstr("covet_rpc_in_flight{backend=\"shop\"} 1"));
  method_->calls[0]->done(std::string("{}"));
  EXPECT_EQ(LastCode(), "OK");
  const std::string text = registry_.TextExposition();
  EXPECT_THAT(text, HasSubstr("covet_rpc_in_flight{backend=\"shop\"} 0"));
  EXPECT_THAT(text, HasSubstr("covet_rpc_calls_total{backend=\"shop\",code=\"OK\"} 1"));
  EXPECT_THAT(text, HasSubstr("covet_rpc_call_seconds_count{backend=\"shop\"} 1"));
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("\"event\":\"rpc_call\"")));
}

TEST_F(CallsTest, PermissionComesBeforeExistence) {
  EXPECT_EQ(Start("b.nope"), nullptr);
  EXPECT_EQ(LastCode(), "PERMISSION_DENIED");
  EXPECT_EQ(Start("a.nope"), nullptr);
  EXPECT_EQ(LastCode(), "METHOD_NOT_FOUND");
  // Granted by its own name only.
  EXPECT_EQ(Start("x.A/Get"), nullptr);
  EXPECT_EQ(LastCode(), "PERMISSION_DENIED");
  EXPECT_THAT(method_->calls, IsEmpty());
  // For the audit log of whichever process the call came to.
  EXPECT_EQ(std::get<CallError>(results_.back()).details,
            R"({"action":"rpc:call","resource":"x.A/Get"})");
}

TEST_F(CallsTest, TheOtherNameOfAMethodIsNoWayRoundItsOwn) {
  caller_.clear_roles();
  caller_.add_roles("of_package_x");
  EXPECT_EQ(Start("x.A/Get"), nullptr);
  EXPECT_EQ(LastCode(), "PERMISSION_DENIED");
  EXPECT_EQ(std::get<CallError>(results_.back()).details,
            R"({"action":"rpc:call","resource":"a.get"})");
  EXPECT_THAT(method_->calls, IsEmpty());
  caller_.add_roles("caller");
  EXPECT_NE(Start("x.A/Get"), nullptr);
  EXPECT_THAT(method_->calls, SizeIs(1));
}

TEST_F(CallsTest, AMethodWithoutAPrefixIsGrantedByItsOnlyName) {
  EXPECT_EQ(Start("x.B/Get"), nullptr);
  EXPECT_EQ(LastCode(), "PERMISSION_DENIED");
  caller_.add_roles("of_package_x");
  EXPECT_NE(Start("x.B/Get"), nullptr);
  EXPECT_THAT(unprefixed_->calls, SizeIs(1));
}

TEST_F(CallsTest, RefusesBeyondItsConcurrency) {
  Make({.max_concurrency = 2});
  Start("a.get");
  Start("a.get");
  EXPECT_EQ(Start("a.get"), nullptr);
  EXPECT_EQ(LastCode(), "UNAVAILABLE");
  method_->calls[0]->done(std::string("{}"));
  EXPECT_NE(Start("a.get"), nullptr);
}

TEST_F(CallsTest, ResultsOverTheLimitBecomeErrors) {
  Make({.max_bytes = 8});
  Start("a.get");
  Start("a.get");
  method_->calls[0]->done(std::string("{\"a\":12}"));
  EXPECT_EQ(LastCode(), "OK");
  method_->calls[1]->done(std::string("{\"a\":123}"));
  EXPECT_EQ(LastCode(), "MESSAGE_TOO_LARGE");
}

TEST_F(CallsTest, TheLimitCanChange) {
  Make({.max_bytes = 1});
  EXPECT_EQ(Start("a.get"), nullptr);
  EXPECT_EQ(LastCode(), "MESSAGE_TOO_LARGE");
  calls_->SetMaxBytes(9);
  Start("a.get");
  method_->calls[0]->done(std::string("{\"a\":123}"));
  EXPECT_EQ(LastCode(), "OK");
}

TEST_F(CallsTest, DrainsWhenTheLastCallHasEnded) {
  Start("a.get");
  bool idle = false;
  calls_->Drain([&] { idle = true; });
  EXPECT_FALSE(idle);
  EXPECT_EQ(Start("a.get"), nullptr);
  EXPECT_EQ(LastCode(), "UNAVAILABLE");
  method_->calls[0]->done(std::string("{}"));
  EXPECT_TRUE(idle);
}

TEST_F(CallsTest, DrainsAtOnceWithoutCalls) {
  bool idle = false;
  calls_->Drain([&] { idle = true; });
  EXPECT_TRUE(idle);
}

// The calls of a link.
class EdgeCallsTest : public CallsTest {
 protected:
  EdgeCallsTest() {
    link_ = std::make_shared<EdgeCalls>(*calls_, "service", [this] { ++wakes_; });
  }
  ~EdgeCallsTest() override { link_->Close(); }

  absl::Status Hello(int64_t credit = 1 << 20) {
    v1::EdgeFrame frame;
    frame.mutable_hello()->set_version(1);
    frame.mutable_hello()->set_credit_bytes(credit);
    return link_->OnFrame(frame);
  }
  void Call(uint64_t id) {
    v1::EdgeFrame frame;
    v1::LinkCall& call = *frame.add_calls();
    call.set_call_id(id);
    *call.mutable_identity() = caller_;
    call.set_method("a.get");
    call.set_params("{}");
    call.set_timeout_ms(1'000);
    EXPECT_TRUE(link_->OnFrame(frame).ok());
  }
  v1::ServiceFrame Take() {
    v1::ServiceFrame frame;
    link_->TakeFrame(&frame);
    return frame;
  }

  int wakes_ = 0;
  std::shared_ptr<EdgeCalls> link_;
};

TEST_F(EdgeCallsTest, WantsOneHelloFirst) {
  EXPECT_FALSE(link_->OnFrame(v1::EdgeFrame()).ok());
  EXPECT_TRUE(Hello().ok());
  EXPECT_EQ(Take().welcome().service_incarnation(), "service");
  EXPECT_FALSE(Hello().ok());
}

TEST_F(EdgeCallsTest, RefusesAnotherVersion) {
  v1::EdgeFrame frame;
  frame.mutable_hello()->set_version(2);
  EXPECT_FALSE(link_->OnFrame(frame).ok());
}

TEST_F(EdgeCallsTest, BatchesResults) {
  ASSERT_TRUE(Hello().ok());
  Take();
  Call(1);
  Call(2);
  method_->calls[1]->done(std::string("{\"b\":2}"));
  method_->calls[0]->done(CallError{.code = "NOT_FOUND", .message = "no", .details = "{\"x\":1}"});
  const v1::ServiceFrame frame = Take();
  ASSERT_EQ(frame.results_size(), 2);
  EXPECT_EQ(frame.results(0).call_id(), 2u);
  EXPECT_EQ(frame.results(0).result(), "{\"b\":2}");
  EXPECT_EQ(frame.results(1).error().code(), "NOT_FOUND");
  EXPECT_EQ(frame.results(1).error().details(), "{\"x\":1}");
  v1::ServiceFrame nothing;
  EXPECT_FALSE(link_->TakeFrame(&nothing));
}

TEST_F(EdgeCallsTest, SendsWhileThereIsCredit) {
  ASSERT_TRUE(Hello(/*credit=*/1).ok());
  Take();
  Call(1);
  Call(2);
  method_->calls[0]->done(std::string(100, ' '));
  method_->calls[1]->done(std::string(100, ' '));
  EXPECT_EQ(Take().results_size(), 1);
  EXPECT_EQ(Take().results_size(), 0);
  v1::EdgeFrame credit;
  credit.set_credit_bytes(1'000);
  ASSERT_TRUE(link_->OnFrame(credit).ok());
  EXPECT_EQ(Take().results_size(), 1);
}

TEST_F(EdgeCallsTest, AFrameTakesNoMoreThanItsSize) {
  ASSERT_TRUE(Hello(/*credit=*/100 << 20).ok());
  Take();
  for (const uint64_t id : {1, 2, 3}) Call(id);
  method_->calls[0]->done(std::string(700'000, ' '));
  method_->calls[1]->done(std::string(900'000, ' '));
  method_->calls[2]->done(std::string(10, ' '));
  EXPECT_EQ(Take().results_size(), 1);
  EXPECT_EQ(Take().results_size(), 2);
}

TEST_F(EdgeCallsTest, ACancelledCallHasNoResult) {
  ASSERT_TRUE(Hello().ok());
  Take();
  Call(1);
  v1::EdgeFrame cancel;
  cancel.add_cancels(1);
  cancel.add_cancels(99);
  ASSERT_TRUE(link_->OnFrame(cancel).ok());
  EXPECT_EQ(method_->calls[0]->cancels, 1);
  method_->calls[0]->done(CallError{.code = "CANCELLED"});
  EXPECT_EQ(Take().results_size(), 0);
}

TEST_F(EdgeCallsTest, TheEndOfALinkCancelsItsCalls) {
  ASSERT_TRUE(Hello().ok());
  Call(1);
  // Some end from inside their own cancel.
  HeldMethod::HeldCall& call = *method_->calls[0];
  call.on_cancel = [&call] { call.done(CallError{.code = "CANCELLED"}); };
  link_->Close();
  EXPECT_EQ(call.cancels, 1);
  v1::ServiceFrame nothing;
  EXPECT_FALSE(link_->TakeFrame(&nothing));
}

TEST_F(EdgeCallsTest, AnswersBeats) {
  ASSERT_TRUE(Hello().ok());
  Take();
  v1::EdgeFrame beat;
  beat.set_beat(true);
  ASSERT_TRUE(link_->OnFrame(beat).ok());
  EXPECT_TRUE(Take().beat());
}

}  // namespace
}  // namespace covet::rpc
