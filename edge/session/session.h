#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "common/limits/abuse.h"
#include "common/limits/gcra.h"
#include "common/limits/memory_budget.h"
#include "covet/common/v1/common.pb.h"
#include "edge/codec/client_messages.h"
#include "edge/codec/messages.h"
#include "edge/rooms/room_gateway.h"
#include "edge/session/pending_notifications.h"
#include "edge/session/request_table.h"
#include "edge/session/session_rooms.h"
#include "edge/session/session_thread.h"
#include "edge/streams/stream_gateway.h"
#include "edge/transport/connection.h"

namespace covet::edge {

// One authenticated user's connection: decodes what the client sends, holds it to what all requests
// have in common (ids, rates, abuse, how many are in flight, draining), and hands it to the handler
// of its kind. Sends heartbeats and notifications, and ends when its credential does.
//
// Lives on its connection's thread, owned by the connection until after OnClosed. Small: what
// sessions can share is in the SessionThread.
class Session final : public ConnectionHandler, public RoomSubscriber, public StreamSubscriber {
 public:
  // Requests that may wait for an answer, RPC calls aside, which have a bound of their own; beyond
  // it the connection is not read until half of them are answered.
  static constexpr size_t kMaxUnfinished = 64;

  // `identity` has no session id yet. `slot` is held until the connection has ended.
  // `key_fingerprint` is empty for a token.
  Session(SessionThread& thread, Connection& connection, common::v1::Identity identity,
          std::shared_ptr<void> slot, std::string key_fingerprint = "");
  ~Session() override;

  // Sends connection_ack and makes the session known to rooms. Once, first.
  void Open();

  // ConnectionHandler.
  void OnText(std::string_view message) override;
  void OnBinary(std::string_view message) override;
  void OnPong(std::string_view payload) override;
  void OnDrained() override;
  void OnTick(int64_t now_ms) override;
  void OnClosed(uint16_t code) override;

  // RoomSubscriber, and StreamSubscriber.
  Connection& connection() override { return connection_; }
  void OnRoomLeft(const std::string& room_id, const std::string& reason) override;
  void OnNotification(const std::string& notification_id, FramePtr frame, Priority priority,
                      int64_t expires_at_ms, bool acknowledge) override;
  void OnNotificationRead(const std::string& notification_id) override;
  void OnUnsubscribed(const std::string& subscription_id, const std::string& reason) override;

  // For request handlers.
  SessionThread& thread() { return thread_; }
  const std::string& id() const { return identity_.session_id(); }
  const common::v1::Identity& identity() const { return identity_; }
  RequestTable& requests() { return requests_; }
  SessionRooms& rooms() { return rooms_; }
  PendingNotifications& notifications() { return notifications_; }

  // Begins a request that is answered later: its id stays in use until Finish, that of an rpc_call,
  // which has a number, until FinishCall.
  RequestTable::Token Begin(const ClientMessage& message, std::string_view room_id,
                            uint64_t call = 0);
  Request Finish(RequestTable::Token token);
  Request FinishCall(uint64_t call);
  // Sends a reply ahead of rooms and subscriptions.
  void Reply(std::string text, Priority priority);
  // Sends something in the order of rooms and subscriptions.
  void SendOrdered(std::string text);
  // Answers with `error`, an rpc_call with `rpc_error`.
  void Refuse(const ClientMessage& message, const ErrorMessage& error);
  void Refuse(const Request& request, const ErrorMessage& error);
  // Answers one more request with what Refuse has answered another; not told to the audit log.
  void RefuseToo(const Request& request, const ErrorMessage& error);
  // Bytes that a handler holds for this session until its socket has drained, or, negative, no
  // longer holds: they count as queued.
  void Hold(int64_t bytes) { held_bytes_ += bytes; }
  // Whether this message may still come; refuses it as RATE_LIMITED if not.
  bool TakeMessage(const ClientMessage& message);
  // The same of an auth_refresh, which has a rate of its own: each may write to the audit log.
  bool TakeRefresh(const ClientMessage& message);
  // Stops reading what the client sends until every hold has been given back. For what the client
  // has been told to bound itself.
  void HoldReading();
  void ReleaseReading();
  // Counts an offence; may end the connection.
  void Offend();
  // A renewed credential of the same user; false if it says nothing new.
  bool Renew(common::v1::Identity identity);

 private:
  void OnMessage(std::string_view frame, bool binary);
  // What all requests have in common; false if the message has been refused.
  bool Admit(const ClientMessage& message);
  bool IsFreeResume(const ClientMessage& message);
  // Records a refusal for lack of permission. `method` is an rpc_call's, empty for other requests.
  void AuditRefusal(const ErrorMessage& error, const ReplyTo& to, std::string_view method);
  bool Take(const ClientMessage& message, std::string_view scope, const limits::Rate& rate,
            limits::Gcra* taken);
  void RefuseRate(const ClientMessage& message, std::string_view scope,
                  const limits::RateDecision& decision);
  void Heartbeat(int64_t now_ms);
  void CheckExpiry();
  // Goes by what configuration says of the API key now.
  void CheckKey();
  // Is this identity from now on, which is of the same user; false if it is the same.
  bool Adopt(common::v1::Identity identity);
  void ChargeMemory();
  void CutIfLarge();
  void SendPing(std::string payload);
  void UpdateReading();
  // Closes the connection and leaves all rooms.
  void End(uint16_t code, std::string reason);
  void LeaveRooms();

  SessionThread& thread_;
  Connection& connection_;
  common::v1::Identity identity_;
  std::shared_ptr<void> slot_;
  RequestTable requests_;
  SessionRooms rooms_;
  PendingNotifications notifications_;
  limits::Gcra messages_;
  limits::Gcra refreshes_;
  limits::ConnectionAbuse abuse_;
  limits::MemoryCharge memory_;
  int64_t held_bytes_ = 0;
  int64_t opened_ms_ = 0;
  std::string key_fingerprint_;  // Of the API key; empty for a token.
  // Authenticator::reloads() when the key was last looked at; none yet, since keys may be reloaded
  // between the credential's check and the session.
  uint64_t keys_seen_ = std::numeric_limits<uint64_t>::max();
  int64_t next_heartbeat_ms_ = 0;
  int64_t heartbeat_sequence_ = 0;
  // Resuming joins and subscribes that were not counted.
  uint32_t free_joins_ = 0;
  uint32_t free_subscribes_ = 0;
  bool registered_ = false;     // With rooms.
  bool expiring_told_ = false;  // auth_expiring was sent.
  bool too_many_ = false;       // Of kMaxUnfinished, until half of them are answered.
  bool backpressured_ = false;  // The client does not read our replies.
  bool paused_ = false;
  uint32_t holds_ = 0;  // Of HoldReading.
};

}  // namespace covet::edge
