#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "covet/streams/v1/streams.pb.h"
#include "edge/codec/client_messages.h"
#include "edge/streams/stream_gateway.h"

namespace covet::edge {

// What one upstream follows: readers with an equal key share it.
struct StreamSource {
  std::string key;
  streams::v1::SubscribeRequest request;  // Type, resource, filter and nothing else.
  // In whose name it is opened, a serialised common.v1.Identity; empty for the edge itself.
  std::string identity;
};

// A user as upstreams are opened in their name, serialised: the same for all sessions of equal
// roles; the edge itself sees to when those end.
std::string IdentityOf(common::v1::Identity user);

// `user` is null for what all users share; else its upstream is that user's alone.
StreamSource SourceOf(const SubscribeParams& params, const common::v1::Identity* user = nullptr);

// The protocol's name of a type: metrics, logs, events or database_changes.
std::string_view StreamTypeName(streams::v1::StreamType type);

// As policy names what is read: `<type>:<resource_id>`.
std::string ResourceNameOf(const StreamSource& source);

// To whoever lacks `stream:read` on it.
absl::Status MayNotRead(const StreamSource& source);

// The filter in the one form that all filters of the same meaning have where that is cheaply told:
// tags and comparisons sorted and each once, no white space in operands.
streams::v1::Filter CanonicalFilter(const StreamFilters& filters);

// A validated message; `subscription_id` and `max_subscriptions` are the caller's.
SubscribeParams ParamsOf(const SubscribeMessage& message);

// The batch_interval in force: the least of those offered that is not below what was asked.
int32_t RoundUpInterval(int32_t interval_ms);

}  // namespace covet::edge
