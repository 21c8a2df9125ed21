#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/policy/policy.h"
#include "edge/codec/messages.h"
#include "edge/streams/stream_client.h"
#include "edge/streams/stream_gateway.h"
#include "edge/streams/stream_hub.h"

namespace covet::edge {

// StreamGateway of one edge thread: its hubs and the sessions that have subscriptions, above the
// edge's upstreams. Decides who may read what, by the policy in force.
class ThreadStreams final : public StreamGateway, private StreamHubHost {
 public:
  // `wake` is to call OnTimer on this thread once so many milliseconds have passed. All references
  // outlive this.
  ThreadStreams(uint32_t thread, const StreamHubLimits& limits, const Clock& clock,
                IdGenerator& ids, const policy::PolicyStore& policy, StreamClient& client,
                std::function<void(int64_t delay_ms)> wake);
  ~ThreadStreams() override;

  void Subscribe(const common::v1::Identity& identity, StreamSubscriber* subscriber,
                 SubscribeParams params, std::function<void(SubscribeResult)> done) override;
  bool Unsubscribe(const std::string& session_id, const std::string& subscription_id) override;
  void RenewSession(const common::v1::Identity& identity) override;
  void CloseSession(const std::string& session_id) override;
  void OnDrained(const std::string& session_id) override;
  size_t WaitingBytes(const std::string& session_id) const override;

  // From the upstreams, in the order in which they were dispatched to this thread.
  void OnItem(const StreamItem& item);
  void OnTimer();
  // Every second or so: what failed is tried again, empty batches, a policy that has changed.
  void Tick();

  // Of this thread.
  size_t subscription_count() const { return readers_.size(); }
  size_t group_count() const;
  const StreamCounters& stream_counters() const { return counters_; }

 private:
  // StreamHubHost.
  int64_t NowMillis() const override { return clock_.SteadyMillis(); }
  MessageEncoder& encoder() override { return encoder_; }
  StreamCounters& counters() override { return counters_; }
  const StreamHubLimits& limits() const override { return limits_; }
  void Read(StreamReader& reader, int64_t after) override;
  void OnEntered(StreamReader& reader, std::unique_ptr<StreamReader::Entry> entry,
                 SubscribeResult result) override;
  void SetDeadline(StreamGroup& group, int64_t deadline_ms) override;

  bool MayRead(const common::v1::Identity& identity, const StreamSource& source);
  StreamReader* Find(uint64_t reader_id) const;
  StreamReader* Find(const std::string& session_id, const std::string& subscription_id) const;
  StreamHub& HubFor(const StreamSource& source);
  void Enter(StreamReader& reader, StreamHub& hub);
  // Leaves to the reader's source to say in whose name it is followed.
  StreamSource SourceFor(const StreamReader& reader) const;
  // Takes the reader out of everything; its hub and session may end with it.
  std::unique_ptr<StreamReader> Remove(StreamReader& reader);
  void RemoveHubIfEmpty(StreamHub& hub);
  // Ends a subscription and tells its session why.
  void End(StreamReader& reader, const std::string& reason);
  void Fail(StreamReader& reader, const absl::Status& status);
  void EndHub(StreamHub& hub, const std::string& reason);
  // Streams of the user's own are opened anew where the backend would be told of other roles.
  void BeginAnewAs(const common::v1::Identity& identity);
  void Recheck(const common::v1::Identity& identity);

  void On(const AttachedItem& item);
  void On(const AttachFailedItem& item);
  void On(const BatchItem& item);
  void On(const EndedItem& item);
  void On(const PageItem& item);

  // By deadline; those of one millisecond in an order that another run has too.
  struct SoonestFirst {
    bool operator()(const StreamGroup* a, const StreamGroup* b) const;
  };

  const uint32_t thread_;
  const StreamHubLimits limits_;
  const Clock& clock_;
  policy::PolicyStore::Reader policy_;
  uint64_t policy_version_;
  StreamClient& client_;
  const std::function<void(int64_t)> wake_;
  MessageIds message_ids_;
  MessageEncoder encoder_;
  StreamCounters counters_;

  uint64_t next_id_ = 1;  // Of readers, attachments and reads.
  absl::btree_map<std::string, std::unique_ptr<StreamSession>> sessions_;
  absl::btree_map<uint64_t, StreamReader*> readers_;
  absl::flat_hash_map<uint64_t, uint64_t> reads_;  // The reader of each read under way.
  absl::btree_map<std::string, std::unique_ptr<StreamHub>> hubs_;  // By source.
  absl::flat_hash_map<uint64_t, StreamHub*> attaching_;            // By token.
  absl::flat_hash_map<uint64_t, StreamHub*> by_upstream_;
  // Streams that turned out to be followed in each user's own name, by type and resource. No more
  // than are configured.
  absl::flat_hash_set<std::string> per_user_;
  std::set<StreamGroup*, SoonestFirst> deadlines_;
  int64_t wake_at_ms_ = 0;  // When `wake_` will call; 0 if it will not.
};

}  // namespace covet::edge
