#include "edge/session/stream_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors/error.h"
#include "edge/session/testing/fake_stream_gateway.h"
#include "edge/session/testing/session_fixture.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StreamRequestsTest : public SessionFixture {
 protected:
  StreamRequestsTest() {
    SessionSettings settings;
    settings.limits.subscriptions = 100;
    Restart(settings);
    thread_ = std::make_unique<SessionThread>(*shared_, rooms_, &streams_);
    OpenQuietly();
  }

  void Subscribe(const std::string& id, const std::string& more = "") {
    Text(R"({"type":"subscribe","id":")" + id +
         R"(","data":{"stream_type":"metrics","resource_id":"db")" + more + "}}");
  }
  void Unsubscribe(const std::string& subscription, const std::string& id) {
    Text(R"({"type":"unsubscribe","id":")" + id + R"(","data":{"subscription_id":")" +
         subscription + "\"}}");
  }
  void Answer(SubscribeResult result = {.status = absl::OkStatus(), .epoch = "e", .offset = 7}) {
    const FakeStreamGateway::Call call = streams_.calls.front();
    streams_.calls.erase(streams_.calls.begin());
    call.done(std::move(result));
  }

  FakeStreamGateway streams_;
};

TEST_F(StreamRequestsTest, IsOfferedWhereThereAreStreams) {
  Open();
  EXPECT_THAT(Take().text, HasSubstr(R"("capabilities":["rooms","streaming",)"));
}

TEST_F(StreamRequestsTest, ASubscriptionHoldsItsIdUntilItsEnd) {
  Subscribe("s", R"(,"options":{"batch_interval":60,"history":3})");
  ASSERT_THAT(streams_.calls, SizeIs(1));
  const SubscribeParams& params = streams_.calls[0].params;
  EXPECT_EQ(params.subscription_id, "s");
  EXPECT_EQ(params.batch_interval_ms, 100);
  EXPECT_EQ(params.history, 3);
  EXPECT_EQ(params.max_subscriptions, 100);
  Answer();
  const FakeConnection::Sent subscribed = Take();
  EXPECT_EQ(subscribed.lane, Lane::kOrdered);
  EXPECT_EQ(At(subscribed.text, "/type"), "subscribed");
  EXPECT_EQ(At(subscribed.text, "/data/subscription_id"), "s");
  EXPECT_EQ(At(subscribed.text, "/data/stream_type"), "metrics");
  EXPECT_EQ(At(subscribed.text, "/data/resource_id"), "db");
  EXPECT_EQ(At(subscribed.text, "/data/offset"), "7");
  Subscribe("s");
  ExpectError(Take(), "CONFLICT", "s");
  Unsubscribe("s", "u");
  EXPECT_THAT(streams_.unsubscribed, ElementsAre("s"));
  const FakeConnection::Sent ended = Take();
  EXPECT_EQ(At(ended.text, "/type"), "unsubscribed");
  EXPECT_EQ(At(ended.text, "/data/reason"), "unsubscribed");
  EXPECT_EQ(At(ended.text, "/metadata/in_reply_to"), "u");
  Subscribe("s");
  EXPECT_THAT(streams_.calls, SizeIs(1));
}

TEST_F(StreamRequestsTest, WhatTheServerEndsIsTold) {
  Subscribe("s");
  Answer();
  Take();
  streams_.subscriber->OnUnsubscribed("s", "reset");
  const FakeConnection::Sent ended = Take();
  EXPECT_EQ(ended.lane, Lane::kOrdered);
  EXPECT_EQ(At(ended.text, "/data/reason"), "reset");
  EXPECT_EQ(At(ended.text, "/metadata"), "");
  Subscribe("s");
  EXPECT_THAT(streams_.calls, SizeIs(1));
}

TEST_F(StreamRequestsTest, AnEndBeforeTheBeginningIsAnsweredAfterIt) {
  Subscribe("s");
  Unsubscribe("s", "u");
  EXPECT_THAT(connection_.sent, IsEmpty());
  EXPECT_THAT(streams_.unsubscribed, IsEmpty());
  Answer();
  EXPECT_EQ(At(Take().text, "/type"), "subscribed");
  EXPECT_EQ(At(Take().text, "/type"), "unsubscribed");
  EXPECT_THAT(streams_.unsubscribed, ElementsAre("s"));
}

TEST_F(StreamRequestsTest, ARefusalEndsBoth) {
  Subscribe("s");
  Unsubscribe("s", "u");
  Unsubscribe("s", "v");
  ExpectError(Take(), "NOT_FOUND", "v");
  Answer({.status = MakeError(ErrorCode::kSubscriptionFailed, "no such stream",
                              {{"reason", "RESOURCE_NOT_FOUND"}})});
  const FakeConnection::Sent refused = Take();
  ExpectError(refused, "SUBSCRIPTION_FAILED", "s");
  EXPECT_EQ(At(refused.text, "/data/details/reason"), "RESOURCE_NOT_FOUND");
  ExpectError(Take(), "NOT_FOUND", "u");
}

TEST_F(StreamRequestsTest, UnknownSubscriptions) {
  streams_.known = false;
  Unsubscribe("nothing", "u");
  ExpectError(Take(), "NOT_FOUND", "u");
}

TEST_F(StreamRequestsTest, SessionsTellTheGateway) {
  Text(R"({"type":"auth_refresh","id":"r","data":{"token":")" + Token("user_1") + "\"}}");
  EXPECT_THAT(streams_.renewed, SizeIs(1));
  session_->OnDrained();
  EXPECT_EQ(streams_.drained, 1);
  session_->OnClosed(1000);
  EXPECT_THAT(streams_.closed, ElementsAre(session_->id()));
}

}  // namespace
}  // namespace covet::edge
