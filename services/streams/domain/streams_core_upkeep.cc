// What the core does without being asked: permissions, ticks, bounds.
#include <algorithm>
#include <utility>
#include <vector>

#include "services/streams/domain/streams_core.h"

namespace covet::streams {
namespace {

constexpr int64_t kFollowerTickMs = 1'000;

}  // namespace

void StreamsCore::ReviewPermissions() {
  ForEachStream([this](const StreamPtr& stream) {
    std::vector<StreamFollower*> revoked;
    for (StreamFollower* follower : stream->followers) {
      if (!Allows(follower->caller, policy::Action::kStreamRead, stream->resource->name)) {
        revoked.push_back(follower);
      }
    }
    for (StreamFollower* follower : revoked) follower->OnClosed("permission_revoked");
  });
}

void StreamsCore::Tick() {
  const int64_t now = env_.clock.SteadyMillis();
  const bool tell = now >= next_follower_tick_ms_;
  if (tell) next_follower_tick_ms_ = now + kFollowerTickMs;
  ForEachStream([&](const StreamPtr& stream) {
    stream->log->Tick();
    UpdateDemand(*stream);
    if (!tell) return;
    for (size_t i = stream->followers.size(); i-- > 0;) {
      if (i < stream->followers.size()) stream->followers[i]->OnTick();
    }
  });
  DropUnread();
  KeepCachesBounded();
}

void StreamsCore::DropUnread() {
  const int64_t now = env_.clock.SteadyMillis();
  int64_t unread_bytes = 0;
  for (const auto& [key, resource] : resources_) {
    if (!resource->traits.on_demand) continue;
    DropUnreadOf(*resource, now);
    for (const auto& [variant, stream] : resource->streams) {
      if (!variant.empty() && stream->unread()) unread_bytes += stream->log->bytes();
    }
  }
  if (unread_bytes > options_.max_unread_bytes) DropLongestUnread();
}

void StreamsCore::DropUnreadOf(Resource& resource, int64_t now) {
  const int64_t keep_ms = ResumeWindowMs(resource);
  bool renew = false;
  std::erase_if(resource.streams, [&](const auto& entry) {
    const StreamPtr& stream = entry.second;
    const int64_t used_ms = std::max(stream->unread_since_ms, stream->published_at_ms);
    if (!stream->unread() || now - used_ms < keep_ms) return false;
    if (stream->variant.empty()) {
      if (stream->log->head() == 0) return false;
      renew = true;
    }
    CloseStream(stream, "removed", /*keep_log=*/false);
    return true;
  });
  if (!renew) return;
  const absl::StatusOr<StreamPtr> stream = MakeStream(resource, "", nullptr, {});
  (*stream)->log->WhenReady([](const absl::Status&) {});
}

bool StreamsCore::DropLongestUnread() {
  Stream* longest = nullptr;
  ForEachStream([&](const StreamPtr& stream) {
    if (stream->variant.empty() || !stream->unread()) return;
    if (longest == nullptr || stream->unread_since_ms < longest->unread_since_ms) {
      longest = stream.get();
    }
  });
  if (longest == nullptr) return false;
  auto& streams = longest->resource->streams;
  const auto it = streams.find(longest->variant);
  CloseStream(it->second, "removed", /*keep_log=*/false);
  streams.erase(it);
  return true;
}

void StreamsCore::KeepCachesBounded() {
  size_t bytes = 0;
  std::vector<StreamLog*> cached;
  ForEachStream([&](const StreamPtr& stream) {
    if (stream->log->cache_bytes() == 0) return;
    bytes += stream->log->cache_bytes();
    cached.push_back(stream->log.get());
  });
  if (bytes <= options_.total_cache_bytes) return;
  std::sort(cached.begin(), cached.end(), [](const StreamLog* a, const StreamLog* b) {
    return a->last_append_ms() < b->last_append_ms();
  });
  for (StreamLog* log : cached) {
    if (bytes <= options_.total_cache_bytes / 2) break;
    bytes -= log->cache_bytes();
    log->ClearCache();
  }
}

void StreamsCore::StopSources(std::function<void()> stopped) {
  auto open = std::make_shared<int>(1);
  const auto finish = [open, stopped = std::move(stopped)] {
    if (--*open == 0) stopped();
  };
  ForEachStream([&](const StreamPtr& stream) {
    if (stream->driver == nullptr) return;
    ++*open;
    stream->driver->Stop(finish);
  });
  finish();
}

SourcesSummary StreamsCore::sources() const {
  SourcesSummary summary;
  ForEachStream([&summary](const StreamPtr& stream) {
    if (stream->driver == nullptr) return;
    ++summary.by_state[stream->driver->state()];
    const SourceLag& lag = stream->driver->lag();
    summary.max_lag_ms = std::max(summary.max_lag_ms, lag.ms.value_or(0));
    summary.lag_bytes += lag.bytes.value_or(0);
  });
  return summary;
}

int64_t StreamsCore::follower_count() const {
  int64_t count = 0;
  ForEachStream([&count](const StreamPtr& stream) {
    count += static_cast<int64_t>(stream->followers.size());
  });
  return count;
}

}  // namespace covet::streams
