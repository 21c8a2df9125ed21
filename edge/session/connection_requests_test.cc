#include "edge/session/connection_requests.h"

#include <algorithm>
#include <string>
#include <vector>

#include "edge/session/testing/session_fixture.h"

namespace covet::edge {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class ConnectionRequestsTest : public SessionFixture {
 protected:
  void Refresh(const std::string& token) {
    Text(R"({"type":"auth_refresh","id":"r","data":{"token":")" + token + R"("}})");
  }
  void Notify(const std::string& id, bool acknowledge = true) {
    session_->OnNotification(id, Frame::Text("{\"n\":\"" + id + "\"}"), Priority::kNormal, 0,
                             acknowledge);
  }
  void Ack(const std::string& id) {
    Text(R"({"type":"notification_ack","id":"a","data":{"notification_id":")" + id + R"("}})");
  }
};

TEST_F(ConnectionRequestsTest, TellsOfATokensEndAndEnds) {
  OpenQuietly(/*expires_in_s=*/120);
  Tick(59'000);
  Tick(1'000);
  const std::string expiring = [&] {
    while (connection_.sent.size() > 1) Take();  // A heartbeat.
    return Take().text;
  }();
  EXPECT_EQ(At(expiring, "/type"), "auth_expiring");
  EXPECT_EQ(At(expiring, "/data/expires_at"), "2025-09-10T12:02:00.000Z");
  Tick(59'000);
  connection_.sent.clear();
  EXPECT_FALSE(connection_.closed);
  Tick(1'000);
  ASSERT_TRUE(connection_.closed);
  EXPECT_EQ(connection_.closed->first, 4401);
  ExpectError(connection_.sent.back(), "AUTH_EXPIRED", "");
  EXPECT_THAT(rooms_.closes, SizeIs(1));
}

TEST_F(ConnectionRequestsTest, ATokenThatEndsSoonIsToldAtOnce) {
  Open(/*expires_in_s=*/2);
  ASSERT_THAT(connection_.sent, SizeIs(2));
  EXPECT_EQ(At(connection_.sent[1].text, "/type"), "auth_expiring");
}

TEST_F(ConnectionRequestsTest, RenewsInPlace) {
  OpenQuietly(/*expires_in_s=*/2);
  const std::string token = Token("user_1");
  Refresh(token);
  const std::string refreshed = Take().text;
  EXPECT_EQ(At(refreshed, "/type"), "auth_refreshed");
  EXPECT_EQ(At(refreshed, "/data/expires_at"), "2025-09-10T13:00:00.000Z");
  EXPECT_EQ(At(refreshed, "/metadata/in_reply_to"), "r");
  ASSERT_THAT(rooms_.identities, SizeIs(2));
  EXPECT_EQ(rooms_.identities[1].session_id(), session_->id());
  Tick(10'000);
  EXPECT_FALSE(connection_.closed);
  // The same token again says nothing new to rooms.
  Refresh(token);
  EXPECT_EQ(At(Take().text, "/type"), "auth_refreshed");
  EXPECT_THAT(rooms_.identities, SizeIs(2));
}

TEST_F(ConnectionRequestsTest, RenewingOverAndOverWritesNoLog) {
  OpenQuietly(/*expires_in_s=*/2);
  const auto renewals = [&] {
    const std::vector<std::string> lines = log_.lines();
    return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.find("token_renewed") != std::string::npos;
    });
  };
  const std::string token = Token("user_1");
  for (int i = 0; i < 10; ++i) Refresh(token);
  EXPECT_EQ(renewals(), 1);
  connection_.sent.clear();
  // Nor does it with tokens that differ.
  Refresh(Token("user_1", 3601));
  const FakeConnection::Sent refused = Take();
  ExpectError(refused, "RATE_LIMITED", "r");
  EXPECT_EQ(At(refused.text, "/data/details/scope"), "auth_refreshes");
  EXPECT_EQ(renewals(), 1);
  clock_.AdvanceMillis(6'000);
  Refresh(Token("user_1", 3601));
  EXPECT_EQ(At(Take().text, "/type"), "auth_refreshed");
  EXPECT_EQ(renewals(), 2);
}

TEST_F(ConnectionRequestsTest, RenewalForAnotherUserChangesNothing) {
  OpenQuietly();
  Refresh(Token("user_2"));
  ExpectError(Take(), "AUTH_FAILED", "r");
  Refresh("nonsense");
  ExpectError(Take(), "AUTH_FAILED", "r");
  Refresh(Token("user_1", -1));
  ExpectError(Take(), "AUTH_EXPIRED", "r");
  EXPECT_THAT(rooms_.identities, SizeIs(1));
  EXPECT_FALSE(connection_.closed);
}

TEST_F(ConnectionRequestsTest, GoesByWhatTheApiKeyIsNow) {
  const auth::NewApiKey key = auth::GenerateApiKey("k");
  auth::ApiKeyRecord record;
  record.key_id = "k";
  record.sha256_hex = key.sha256_hex;
  record.user_id = "svc";
  record.roles = {"member", "guest"};
  const auto reload = [&] {
    auto keys = std::make_shared<auth::AuthKeys>();
    ASSERT_TRUE(keys->api_keys.Add(record).ok());
    authenticator_->Reload(std::move(keys));
  };
  reload();
  const common::v1::Identity identity = *authenticator_->Authenticate({"", key.key});
  // Between the credential's check and the session.
  record.roles = {"guest"};
  reload();
  session_ = std::make_shared<Session>(*thread_, connection_, identity, nullptr,
                                       auth::ApiKeyFingerprint(key.key));
  session_->Open();
  Tick(1'000);
  ASSERT_THAT(rooms_.identities, SizeIs(2));
  EXPECT_THAT(rooms_.identities[1].roles(), testing::ElementsAre("guest"));
  EXPECT_EQ(rooms_.identities[1].session_id(), session_->id());
  reload();
  Tick(1'000);
  EXPECT_THAT(rooms_.identities, SizeIs(2));

  record.expires_at_ms = clock_.WallMillis() + 10'000;
  reload();
  connection_.sent.clear();
  Tick(1'000);
  EXPECT_THAT(rooms_.identities, SizeIs(3));
  EXPECT_EQ(At(Take().text, "/type"), "auth_expiring");
  record.expires_at_ms.reset();
  reload();
  Tick(20'000);
  EXPECT_FALSE(connection_.closed);

  record.user_id = "another";
  reload();
  Tick(1'000);
  ASSERT_TRUE(connection_.closed);
  EXPECT_EQ(connection_.closed->first, 4504);
}

TEST_F(ConnectionRequestsTest, APongAcknowledgesWhatWasSentBefore) {
  OpenQuietly();
  Notify("n1");
  EXPECT_EQ(Take().text, R"({"n":"n1"})");
  const FakeConnection::Sent ping = Take();
  ASSERT_TRUE(ping.ping);
  // Behind every other reply, so that it cannot overtake what it asks about.
  EXPECT_EQ(ping.lane, Lane::kReply);
  EXPECT_EQ(ping.priority, Priority::kLow);
  // One ping is under way at a time.
  Notify("n2");
  EXPECT_FALSE(Take().ping);
  EXPECT_THAT(connection_.sent, IsEmpty());
  session_->OnPong("");
  session_->OnPong("n7");
  EXPECT_THAT(rooms_.acks, IsEmpty());
  session_->OnPong(ping.text);
  ASSERT_THAT(rooms_.acks, SizeIs(1));
  EXPECT_EQ(rooms_.acks[0].notification_id, "n1");
  EXPECT_FALSE(rooms_.acks[0].is_explicit);
  const FakeConnection::Sent second = Take();
  ASSERT_TRUE(second.ping);
  session_->OnPong(second.text);
  ASSERT_THAT(rooms_.acks, SizeIs(2));
  EXPECT_EQ(rooms_.acks[1].notification_id, "n2");
}

TEST_F(ConnectionRequestsTest, APingUnderWayIsRepeatedWithTheHeartbeat) {
  OpenQuietly();
  Notify("n1");
  Take();
  const std::string payload = Take().text;
  Tick(30'000);
  ASSERT_THAT(connection_.sent, SizeIs(2));
  EXPECT_TRUE(connection_.sent[1].ping);
  EXPECT_EQ(connection_.sent[1].text, payload);
}

TEST_F(ConnectionRequestsTest, TheSameNotificationIsNotSentTwiceWhileItWaits) {
  OpenQuietly();
  Notify("n1");
  connection_.sent.clear();
  Notify("n1");
  EXPECT_THAT(connection_.sent, IsEmpty());
  Ack("n1");
  ASSERT_THAT(rooms_.acks, SizeIs(1));
  EXPECT_TRUE(rooms_.acks[0].is_explicit);
  EXPECT_THAT(connection_.sent, IsEmpty());
  Notify("n1");
  EXPECT_THAT(connection_.sent, SizeIs(1));
}

TEST_F(ConnectionRequestsTest, OnlyAcknowledgedNotificationsAreKeptWhateverComes) {
  OpenQuietly();
  Notify("n1", /*acknowledge=*/true);
  Notify("n2", /*acknowledge=*/false);
  EXPECT_FALSE(Take().droppable);
  EXPECT_TRUE(Take().ping);
  EXPECT_TRUE(Take().droppable);
  EXPECT_THAT(connection_.sent, IsEmpty());
}

TEST_F(ConnectionRequestsTest, AcknowledgementsOfWhatWasNotSentAreCounted) {
  SessionSettings settings;
  settings.messages = limits::Rate::Of(1, absl::Minutes(1));
  Restart(settings);
  OpenQuietly();
  Notify("n1");
  connection_.sent.clear();
  Ack("n1");
  Ack("x");
  EXPECT_THAT(rooms_.acks, SizeIs(2));
  Ack("y");
  EXPECT_THAT(rooms_.acks, SizeIs(2));
  ExpectError(Take(), "RATE_LIMITED", "a");
}

TEST_F(ConnectionRequestsTest, ReadNotificationsAreTold) {
  OpenQuietly();
  session_->OnNotificationRead("n1");
  const std::string read = Take().text;
  EXPECT_EQ(At(read, "/type"), "notification_read");
  EXPECT_EQ(At(read, "/data/notification_id"), "n1");
}

}  // namespace
}  // namespace covet::edge
