#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "covet/streams/v1/streams.pb.h"
#include "edge/transport/connection.h"

namespace covet::common::v1 {
class Identity;
}

namespace covet::edge {

struct SubscribeParams {
  std::string subscription_id;  // The id of the subscribe message.
  streams::v1::StreamType stream_type = streams::v1::STREAM_TYPE_UNSPECIFIED;
  std::string resource_id;
  streams::v1::Filter filter;  // Canonical (stream_source.h).
  int32_t batch_interval_ms = 1000;
  int32_t buffer_size = 100;
  bool conflate = false;
  bool has_resume = false;
  std::string resume_epoch;
  int64_t resume_offset = 0;
  int32_t history = 0;
  size_t max_subscriptions = 100;  // Of the session, this one included.
};

struct SubscribeResult {
  absl::Status status;  // PERMISSION_DENIED, or SUBSCRIPTION_FAILED with details.reason.
  std::string epoch;
  int64_t offset = 0;  // The last that belongs to the replay.
  bool recovered = false;
};

// What streams need of a session. Calls come on the session's thread.
class StreamSubscriber {
 public:
  virtual ~StreamSubscriber() = default;
  // Where frames go; alive until CloseSession.
  virtual Connection& connection() = 0;
  // The server ended a subscription: `permission_revoked`, `removed` or `reset`. Nothing of it
  // follows; the session sends unsubscribed.
  virtual void OnUnsubscribed(const std::string& subscription_id, const std::string& reason) = 0;
};

// Streams as the sessions of one edge thread see them. Every call and callback is made on that
// thread; callbacks run once, possibly from inside the call, and never after CloseSession or, for
// the one that it ends, Unsubscribe.
class StreamGateway {
 public:
  virtual ~StreamGateway() = default;

  // On success the callback sends `subscribed` on the ordered lane; replay and live records follow.
  // `identity` names the session; `subscriber` must outlive it.
  virtual void Subscribe(const common::v1::Identity& identity, StreamSubscriber* subscriber,
                         SubscribeParams params, std::function<void(SubscribeResult)> done) = 0;
  // Nothing of the subscription follows; false if there is none.
  virtual bool Unsubscribe(const std::string& session_id, const std::string& subscription_id) = 0;
  // After auth_refresh. Subscriptions that the new identity does not allow end with
  // permission_revoked.
  virtual void RenewSession(const common::v1::Identity& identity) = 0;
  virtual void CloseSession(const std::string& session_id) = 0;
  // The session's socket has drained. To be called from Connection's OnDrained.
  virtual void OnDrained(const std::string& session_id) = 0;
  // Bytes that wait here for the session's socket, beside what its connection holds.
  virtual size_t WaitingBytes(const std::string& session_id) const = 0;
};

}  // namespace covet::edge
