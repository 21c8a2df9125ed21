#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/id_generator.h"
#include "common/eventlog/event_log.h"
#include "common/policy/policy.h"
#include "covet/streams/v1/streams.pb.h"
#include "services/streams/domain/options.h"
#include "services/streams/domain/source_driver.h"
#include "services/streams/domain/stream_log.h"

namespace covet::streams {

using IdentityPtr = std::shared_ptr<const common::v1::Identity>;

// Who asks.
struct StreamCaller {
  IdentityPtr identity;  // Never null.
  // A proven peer that speaks for nobody: an edge, which decides itself who may read.
  bool peer = false;
};

// Someone who follows a stream by reading its log, told when there is more.
class StreamFollower {
 public:
  virtual ~StreamFollower() = default;
  virtual void OnAdvance() = 0;
  // About once a second.
  virtual void OnTick() = 0;
  // The last call.
  virtual void OnClosed(const std::string& reason) = 0;
  // Whose it is.
  StreamCaller caller;
};

struct Resource;

// One log of a resource with its source and readers.
struct Stream {
  Resource* resource = nullptr;
  // Of a resource with streams of its users or filters; else empty.
  std::string variant;
  StreamLogPtr log;
  std::shared_ptr<SourceDriver> driver;  // Null without a source.
  std::vector<StreamFollower*> followers;
  // Steady. Since when nobody has read it, and the last Publish.
  int64_t unread_since_ms = 0;
  int64_t published_at_ms = 0;

  bool unread() const { return followers.empty() && log->ready(); }
};
using StreamPtr = std::shared_ptr<Stream>;

// Something that has a stream. Most have one, of the variant "".
struct Resource {
  ResourceDefinition definition;
  SourceTraits traits;
  std::map<std::string, StreamPtr> streams;

  bool has_variants() const { return traits.per_user || traits.per_filter; }
  // `<stream_type>:<resource_id>`, as permissions name it.
  std::string name;
};

struct StreamsCounters {
  int64_t appended = 0;
  int64_t appended_bytes = 0;
  int64_t duplicates = 0;
  int64_t subscriptions = 0;
  int64_t resets = 0;
  int64_t delivered = 0;
  int64_t delivered_bytes = 0;
};

// How the sources are.
struct SourcesSummary {
  int64_t by_state[5] = {};  // v1::SourceState.
  int64_t max_lag_ms = 0;
  int64_t lag_bytes = 0;
};

// What the core needs from outside. All of it outlives the core and the callbacks it is owed.
struct CoreEnvironment {
  const Clock& clock;
  IdGenerator& ids;
  Executor& executor;
  Executor& control;  // Where sources are started and stopped.
  eventlog::EventLog& disk;
  eventlog::EventLog& memory;
  const policy::PolicyStore& policy;
};

// The owner of streams: what there is, who may read and publish, who follows. No I/O of its own;
// every call is made on the environment's executor, and every callback comes there.
class StreamsCore {
 public:
  StreamsCore(StreamsOptions options, CoreEnvironment env);

  template <typename T>
  using Reply = std::function<void(absl::StatusOr<T>)>;

  // What there is from now on. Resources that are no longer there close their followers with
  // `removed` and keep their logs. `done` runs when the logs of all are open.
  void SetResources(std::vector<ResourceDefinition> definitions,
                    std::function<void(absl::Status)> done);
  // After a change of roles: ends what is no longer allowed.
  void ReviewPermissions();
  // To be called every 100 ms or so.
  void Tick();
  // Stops all sources for good.
  void StopSources(std::function<void()> stopped);

  void Publish(const StreamCaller& caller, v1::StreamType type, const std::string& id,
               RecordBuffer records, Reply<std::pair<std::string, Appended>> reply);

  void ListResources(const StreamCaller& caller, const v1::ListResourcesRequest& request,
                     Reply<v1::ListResourcesResponse> reply);

  // Records after request.after_offset; the adapter filters and counts them.
  void GetHistory(const StreamCaller& caller, const v1::GetHistoryRequest& request,
                  Reply<StreamPage> reply);

  // Makes `follower` one that is told of every advance beyond `head`. Unfollow ends it, always.
  struct FollowStart {
    StreamPtr stream;
    std::string epoch;
    int64_t head = 0;    // The last offset that belongs to the replay.
    int64_t cursor = 0;  // Read on from here.
    bool recovered = false;
    bool per_user = false;  // Not followed: an edge must ask in its user's name.
  };
  void Follow(const v1::SubscribeRequest& request, StreamFollower* follower,
              Reply<FollowStart> reply);
  void Unfollow(const StreamPtr& stream, StreamFollower* follower);

  void CountDelivered(int64_t records, int64_t bytes) {
    counters_.delivered += records;
    counters_.delivered_bytes += bytes;
  }
  void CountReset() { ++counters_.resets; }

  const Clock& clock() const { return env_.clock; }
  const StreamsCounters& counters() const { return counters_; }
  const SourceCounters& source_counters() const { return source_counters_; }
  SourcesSummary sources() const;
  int64_t follower_count() const;
  size_t resource_count() const { return resources_.size(); }
  int64_t source_gaps() const { return log_env_.gaps; }
  int64_t inflight_bytes() const { return log_env_.inflight_bytes; }
  int64_t max_inflight_bytes() const { return log_env_.max_inflight_bytes; }

 private:
  using Key = std::pair<int, std::string>;  // Type and id, in the order of ListResources.

  bool Allows(const StreamCaller& caller, policy::Action action, const std::string& name) const;
  // The resource, if the caller may do this there; permission is checked before existence.
  absl::StatusOr<Resource*> Authorize(const StreamCaller& caller, policy::Action action,
                                      v1::StreamType type, const std::string& id);
  std::string VariantOf(const Resource& resource, const StreamCaller& caller,
                        const v1::Filter& filter) const;
  StreamPtr FindStream(const Resource& resource, const std::string& variant) const;
  absl::StatusOr<StreamPtr> MakeStream(Resource& resource, const std::string& variant,
                                       const StreamCaller* caller, const v1::Filter& filter);
  // How long after its last reader a stream of `resource` stays as it is, its source running on
  // demand included, so that a reader who comes back misses nothing: as long as it keeps a record.
  static int64_t ResumeWindowMs(const Resource& resource);
  void UpdateDemand(Stream& stream);
  void BeginFollow(const v1::SubscribeRequest& request, const StreamPtr& stream,
                   StreamFollower* follower, const Reply<FollowStart>& reply);
  void CloseStream(const StreamPtr& stream, const std::string& reason, bool keep_log);
  void RemoveResource(Resource& resource, const std::string& reason);
  bool Update(Resource& resource, ResourceDefinition definition);
  // Ends what has been without readers for longer than they may resume.
  void DropUnread();
  void DropUnreadOf(Resource& resource, int64_t now);
  // False if every one of them has readers.
  bool DropLongestUnread();
  void KeepCachesBounded();
  static void Describe(const Resource& resource, v1::Resource* out);
  template <typename Act>
  void ForEachStream(Act act) const {
    for (const auto& [key, resource] : resources_) {
      for (const auto& [variant, stream] : resource->streams) act(stream);
    }
  }

  const StreamsOptions options_;
  CoreEnvironment env_;
  StreamLogEnvironment log_env_;
  SourceCounters source_counters_;
  SourceEnvironment source_env_;
  std::map<Key, std::unique_ptr<Resource>> resources_;
  size_t variants_ = 0;
  int64_t next_follower_tick_ms_ = 0;
  StreamsCounters counters_;
};

}  // namespace covet::streams
