#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/auth/authenticator.h"
#include "common/auth/jwt.h"
#include "common/base/id_generator.h"
#include "common/base/manual_clock.h"
#include "common/logging/log.h"
#include "edge/session/session.h"
#include "edge/session/session_thread.h"
#include "edge/session/testing/fake_connection.h"
#include "edge/session/testing/fake_room_gateway.h"

namespace covet::edge {

// One session on a fake connection over fake rooms, at a time that stands.
class SessionFixture : public testing::Test {
 protected:
  static constexpr int64_t kNowMs = 1'757'505'600'000;

  SessionFixture() : secret_(32, 's') {
    auto keys = std::make_shared<auth::AuthKeys>();
    EXPECT_TRUE(keys->jwt_keys.Add(*auth::MakeHs256Key("", secret_)).ok());
    authenticator_.emplace(std::move(keys), clock_);
    Restart({});
  }

  // Begins anew with these settings.
  void Restart(const SessionSettings& settings, limits::AttemptLimits attempts = {},
               int64_t memory_budget = 1 << 30) {
    session_.reset();
    thread_.reset();
    shared_ = std::make_unique<SessionShared>(
        clock_, ids_, *authenticator_, std::make_shared<const SessionSettings>(settings),
        std::make_shared<const limits::AttemptLimits>(std::move(attempts)), memory_budget);
    rooms_ = FakeRoomGateway();
    thread_ = std::make_unique<SessionThread>(*shared_, rooms_);
  }

  std::string Token(const std::string& user, int64_t expires_in_s = 3600) {
    auth::JwtClaims claims;
    claims.user_id = user;
    claims.expires_at_s = clock_.WallMillis() / 1000 + expires_in_s;
    return auth::MintJwt({}, claims, "", secret_);
  }

  // A session whose token ends after so many seconds; 0 for never.
  Session& Open(int64_t expires_in_s = 0) {
    common::v1::Identity identity;
    identity.set_user_id("user_1");
    if (expires_in_s != 0) {
      identity.mutable_expires_at()->set_seconds(clock_.WallMillis() / 1000 + expires_in_s);
    }
    connection_ = FakeConnection();
    session_ = std::make_shared<Session>(*thread_, connection_, identity, nullptr);
    session_->Open();
    return *session_;
  }

  // As Open, with what has been sent forgotten.
  Session& OpenQuietly(int64_t expires_in_s = 0) {
    Session& session = Open(expires_in_s);
    connection_.sent.clear();
    return session;
  }

  void Text(std::string_view message) { session_->OnText(message); }
  void Join(const std::string& room, const std::string& id = "j", const std::string& options = "") {
    Text(R"({"type":"join_room","id":")" + id + R"(","data":{"room_id":")" + room + "\"" +
         (options.empty() ? "" : ",\"options\":" + options) + "}}");
  }
  void Publish(const std::string& id) {
    Text(R"({"type":"room_message","id":")" + id +
         R"(","data":{"room_id":"r","event_type":"t","payload":1}})");
  }
  void Tick(int64_t ms) {
    clock_.AdvanceMillis(ms);
    session_->OnTick(clock_.SteadyMillis());
  }

  // The oldest message sent that was not taken yet.
  FakeConnection::Sent Take() {
    if (connection_.sent.empty()) {
      ADD_FAILURE() << "nothing was sent";
      return {};
    }
    FakeConnection::Sent sent = connection_.sent.front();
    connection_.sent.erase(connection_.sent.begin());
    return sent;
  }

  // What stands in `json` at `pointer` (RFC 6901), strings without quotes, other values as JSON
  // text; empty if there is nothing.
  static std::string At(const std::string& json, const std::string& pointer) {
    simdjson::dom::parser parser;
    simdjson::dom::element value;
    if (parser.parse(json).at_pointer(pointer).get(value) != simdjson::SUCCESS) return "";
    std::string_view text;
    if (value.get_string().get(text) == simdjson::SUCCESS) return std::string(text);
    return simdjson::minify(value);
  }

  void ExpectError(const FakeConnection::Sent& sent, const std::string& code,
                   const std::string& id) {
    EXPECT_EQ(At(sent.text, "/type"), "error") << sent.text;
    EXPECT_EQ(At(sent.text, "/data/error_code"), code) << sent.text;
    EXPECT_EQ(At(sent.text, "/data/original_message_id"), id) << sent.text;
    EXPECT_EQ(sent.lane, Lane::kReply);
    EXPECT_FALSE(sent.droppable);
  }

  log::Capture log_;
  const std::string secret_;
  ManualClock clock_{kNowMs};
  SeededIds ids_{1};
  std::optional<auth::Authenticator> authenticator_;
  std::unique_ptr<SessionShared> shared_;
  FakeRoomGateway rooms_;
  std::unique_ptr<SessionThread> thread_;
  FakeConnection connection_;
  std::shared_ptr<Session> session_;
};

}  // namespace covet::edge
