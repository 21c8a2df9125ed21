#include "services/streams/domain/streams_core.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "services/streams/domain/errors.h"
#include "services/streams/domain/filter.h"
#include "services/streams/domain/names.h"

namespace covet::streams {
namespace {

constexpr int32_t kDefaultPage = 100;
constexpr int32_t kMaxPage = 1'000;
constexpr int64_t kHistoryBytes = 2 << 20;
constexpr int64_t kMaxReplay = 10'000;
constexpr size_t kMaxIdLength = 128;
constexpr std::string_view kTokenPrefix = "after:";

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdLength && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '@' || c == '-';
  });
}

std::string NameOf(v1::StreamType type, const std::string& id) {
  return std::string(StreamTypeName(type)).append(":").append(id);
}

// Variants hold user ids and filters, so their logs are named by what cannot be mistaken for an id.
std::string LogIdOf(const Resource& resource, const std::string& variant) {
  const std::string id = "stream:" + resource.name;
  return variant.empty() ? id : id + "/" + variant;
}

void SetTime(int64_t ms, google::protobuf::Timestamp* time) {
  time->set_seconds(ms / 1000);
  time->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
}

// The state that says most of those of several streams.
int Weight(v1::SourceState state) {
  switch (state) {
    case v1::SOURCE_STATE_LIVE:
      return 4;
    case v1::SOURCE_STATE_CONNECTING:
      return 3;
    case v1::SOURCE_STATE_FAILED:
      return 2;
    default:
      return 1;
  }
}

}  // namespace

StreamsCore::StreamsCore(StreamsOptions options, CoreEnvironment env)
    : options_(options),
      env_(env),
      log_env_{env.clock, env.executor, options.max_inflight_bytes},
      source_env_{env.clock, env.ids, env.executor, env.control, source_counters_} {}

// What there is.

void StreamsCore::SetResources(std::vector<ResourceDefinition> definitions,
                               std::function<void(absl::Status)> done) {
  std::map<Key, ResourceDefinition> wanted;
  for (ResourceDefinition& definition : definitions) {
    const Key key(definition.type, definition.id);
    wanted.insert_or_assign(key, std::move(definition));
  }
  for (auto it = resources_.begin(); it != resources_.end();) {
    const auto kept = wanted.find(it->first);
    if (kept == wanted.end()) {
      RemoveResource(*it->second, "removed");
      it = resources_.erase(it);
      continue;
    }
    const bool updated = Update(*it->second, kept->second);
    if (updated) wanted.erase(kept);
    it = updated ? std::next(it) : resources_.erase(it);
  }
  auto open = std::make_shared<int>(1);
  auto result = std::make_shared<absl::Status>();
  const auto finish = [open, result, done = std::move(done)](const absl::Status& status) {
    if (!status.ok()) *result = status;
    if (--*open == 0) done(*result);
  };
  for (auto& [key, definition] : wanted) {
    auto resource = std::make_unique<Resource>();
    resource->name = NameOf(definition.type, definition.id);
    if (definition.source != nullptr) resource->traits = definition.source->traits();
    resource->definition = std::move(definition);
    Resource& made = *resource;
    resources_.emplace(key, std::move(resource));
    if (made.has_variants()) continue;
    const absl::StatusOr<StreamPtr> stream = MakeStream(made, "", nullptr, {});
    ++*open;
    (*stream)->log->WhenReady([this, stream = *stream, finish](const absl::Status& status) {
      if (status.ok()) UpdateDemand(*stream);
      finish(status);
    });
  }
  finish(absl::OkStatus());
}

bool StreamsCore::Update(Resource& resource, ResourceDefinition definition) {
  ResourceDefinition& now = resource.definition;
  if (definition.memory != now.memory || definition.source_config != now.source_config) {
    // Another log, or another source of what is in it: readers begin anew.
    RemoveResource(resource, "reset");
    return false;
  }
  definition.source = now.source;
  now = std::move(definition);
  for (const auto& [variant, stream] : resource.streams) stream->log->SetRetention(now.retention);
  return true;
}

void StreamsCore::RemoveResource(Resource& resource, const std::string& reason) {
  for (const auto& [variant, stream] : resource.streams) {
    CloseStream(stream, reason, /*keep_log=*/variant.empty());
  }
  resource.streams.clear();
}

void StreamsCore::CloseStream(const StreamPtr& stream, const std::string& reason, bool keep_log) {
  for (StreamFollower* follower : std::exchange(stream->followers, {})) follower->OnClosed(reason);
  if (!stream->variant.empty()) --variants_;
  if (keep_log) {
    stream->log->Close(ResourceNotFound(stream->resource->name));
  } else {
    stream->log->Delete(ResourceNotFound(stream->resource->name));
  }
  stream->resource = nullptr;
  if (stream->driver != nullptr) stream->driver->Stop([] {});
}

std::string StreamsCore::VariantOf(const Resource& resource, const StreamCaller& caller,
                                   const v1::Filter& filter) const {
  std::string variant;
  if (resource.traits.per_user) {
    // The backend is told of the roles too: a session of fewer must not see what another may.
    std::vector<std::string> roles(caller.identity->roles().begin(),
                                   caller.identity->roles().end());
    std::sort(roles.begin(), roles.end());
    variant = absl::StrCat("user=", caller.identity->user_id(), "/roles=");
    for (const std::string& role : roles) absl::StrAppend(&variant, role, ",");
  }
  if (resource.traits.per_filter) variant.append("/filter=").append(CanonicalFilter(filter));
  return variant;
}

StreamPtr StreamsCore::FindStream(const Resource& resource, const std::string& variant) const {
  const auto it = resource.streams.find(variant);
  return it == resource.streams.end() ? nullptr : it->second;
}

absl::StatusOr<StreamPtr> StreamsCore::MakeStream(Resource& resource, const std::string& variant,
                                                  const StreamCaller* caller,
                                                  const v1::Filter& filter) {
  if (!variant.empty()) {
    if (variants_ >= options_.max_variants && !DropLongestUnread()) {
      return Unavailable("too many streams of users and filters are open");
    }
    ++variants_;
  }
  const ResourceDefinition& definition = resource.definition;
  const bool memory = definition.memory || !variant.empty();
  StreamLogOptions options;
  options.retention = definition.retention;
  options.dedup_window_ms = options_.dedup_window_ms;
  options.keeps_position = !memory && definition.source != nullptr;
  auto stream = std::make_shared<Stream>();
  stream->resource = &resource;
  stream->variant = variant;
  stream->unread_since_ms = env_.clock.SteadyMillis();
  // The log calls only while its stream is open, and so while the stream is there.
  stream->log =
      std::make_shared<StreamLog>(LogIdOf(resource, variant), memory ? env_.memory : env_.disk,
                                  log_env_, options, [stream = stream.get()] {
                                    // A follower may leave while it is told.
                                    for (size_t i = stream->followers.size(); i-- > 0;) {
                                      if (i < stream->followers.size())
                                        stream->followers[i]->OnAdvance();
                                    }
                                  });
  if (definition.source != nullptr) {
    SourceStart start;
    if (caller != nullptr) start.identity = caller->identity;
    start.filter = filter;
    stream->driver = std::make_shared<SourceDriver>(definition.source, stream->log,
                                                    std::move(start), source_env_);
  }
  resource.streams.emplace(variant, stream);
  return stream;
}

int64_t StreamsCore::ResumeWindowMs(const Resource& resource) {
  const int64_t max_age_ms = resource.definition.retention.max_age_ms;
  return max_age_ms > 0 ? max_age_ms : std::numeric_limits<int64_t>::max();
}

void StreamsCore::UpdateDemand(Stream& stream) {
  if (stream.driver == nullptr || stream.resource == nullptr || !stream.log->ready()) return;
  const int64_t unread_ms = env_.clock.SteadyMillis() - stream.unread_since_ms;
  // Where it never delivered there is nothing to come back to.
  const bool missed = stream.driver->was_live() && unread_ms < ResumeWindowMs(*stream.resource);
  stream.driver->SetWanted(!stream.resource->traits.on_demand || !stream.followers.empty() ||
                           missed);
}

// Requests.

bool StreamsCore::Allows(const StreamCaller& caller, policy::Action action,
                         const std::string& name) const {
  if (caller.peer) return action == policy::Action::kStreamRead;
  return env_.policy.Get()->Allows(*caller.identity, action, name);
}

absl::StatusOr<Resource*> StreamsCore::Authorize(const StreamCaller& caller, policy::Action action,
                                                 v1::StreamType type, const std::string& id) {
  if (StreamTypeName(type).empty()) {
    return InvalidField("stream_type", "metrics, logs, events or database_changes",
                        absl::StrCat(type));
  }
  if (!IsId(id)) return InvalidField("resource_id", "1 to 128 of A-Z a-z 0-9 . _ : @ -", id);
  const std::string name = NameOf(type, id);
  if (!Allows(caller, action, name)) return PermissionDenied(policy::ActionName(action), name);
  const auto it = resources_.find(Key(type, id));
  if (it == resources_.end()) return ResourceNotFound(name);
  return it->second.get();
}

void StreamsCore::Publish(const StreamCaller& caller, v1::StreamType type, const std::string& id,
                          RecordBuffer records, Reply<std::pair<std::string, Appended>> reply) {
  const absl::StatusOr<Resource*> resource =
      Authorize(caller, policy::Action::kStreamPublish, type, id);
  if (!resource.ok()) return reply(resource.status());
  const StreamPtr stream = FindStream(**resource, "");
  if (stream == nullptr) {
    return reply(InvalidField("resource_id", "a resource with one stream for all", id));
  }
  stream->published_at_ms = env_.clock.SteadyMillis();
  const auto append = [this, stream, reply](RecordBuffer buffer) {
    const auto bytes = static_cast<int64_t>(buffer.bytes());
    stream->log->Append(std::move(buffer), /*bounded=*/true,
                        [this, stream, bytes, reply](absl::StatusOr<Appended> appended) {
                          if (!appended.ok()) return reply(appended.status());
                          counters_.appended += appended->appended;
                          counters_.appended_bytes += bytes;
                          counters_.duplicates += appended->duplicates;
                          reply(std::pair(stream->log->epoch(), *std::move(appended)));
                        });
  };
  if (stream->log->ready()) return append(std::move(records));
  auto waiting = std::make_shared<RecordBuffer>(std::move(records));
  stream->log->WhenReady([append, waiting, reply](const absl::Status& status) {
    if (!status.ok()) return reply(status);
    append(std::move(*waiting));
  });
}

void StreamsCore::GetHistory(const StreamCaller& caller, const v1::GetHistoryRequest& request,
                             Reply<StreamPage> reply) {
  const absl::StatusOr<Resource*> resource =
      Authorize(caller, policy::Action::kStreamRead, request.stream_type(), request.resource_id());
  if (!resource.ok()) return reply(resource.status());
  if (request.after_offset() < 0) {
    return reply(
        InvalidField("after_offset", "not negative", absl::StrCat(request.after_offset())));
  }
  const StreamPtr stream = FindStream(**resource, VariantOf(**resource, caller, request.filter()));
  // A stream of one user or filter that nobody follows holds nothing.
  if (stream == nullptr) return reply(StreamPage{});
  stream->log->WhenReady([stream, name = (*resource)->name, epoch = request.epoch(),
                          after = request.after_offset(), reply](const absl::Status& status) {
    if (!status.ok()) return reply(status);
    if (!epoch.empty() && epoch != stream->log->epoch()) return reply(EpochChanged(name));
    stream->log->Read(after, kHistoryBytes, reply);
  });
}

void StreamsCore::ListResources(const StreamCaller& caller, const v1::ListResourcesRequest& request,
                                Reply<v1::ListResourcesResponse> reply) {
  auto it = resources_.begin();
  if (const std::string_view token = request.page_token(); !token.empty()) {
    const size_t colon = token.find(':', kTokenPrefix.size());
    const bool ours = token.starts_with(kTokenPrefix) && colon != std::string_view::npos;
    const std::optional<v1::StreamType> type =
        ours ? ParseStreamType(token.substr(kTokenPrefix.size(), colon - kTokenPrefix.size()))
             : std::nullopt;
    if (!type) {
      return reply(InvalidField("page_token", "the next_page_token of a page", token));
    }
    it = resources_.upper_bound(Key(*type, token.substr(colon + 1)));
  }
  const int32_t size =
      request.page_size() <= 0 ? kDefaultPage : std::min(request.page_size(), kMaxPage);
  v1::ListResourcesResponse response;
  const std::string* last = nullptr;
  for (; it != resources_.end(); ++it) {
    const Resource& resource = *it->second;
    const bool asked = (request.stream_type() == v1::STREAM_TYPE_UNSPECIFIED ||
                        request.stream_type() == resource.definition.type) &&
                       resource.definition.id.starts_with(request.prefix());
    if (!asked || !Allows(caller, policy::Action::kStreamRead, resource.name)) continue;
    if (response.resources_size() == size) {
      response.set_next_page_token(std::string(kTokenPrefix).append(*last));
      break;
    }
    Describe(resource, response.add_resources());
    last = &resource.name;
  }
  reply(std::move(response));
}

void StreamsCore::Describe(const Resource& resource, v1::Resource* out) {
  out->set_stream_type(resource.definition.type);
  out->set_resource_id(resource.definition.id);
  out->set_description(resource.definition.description);
  const auto own = resource.streams.find("");
  if (own != resource.streams.end()) {
    const StreamLog& log = *own->second->log;
    out->set_epoch(log.epoch());
    out->set_first_offset(log.first_offset());
    out->set_last_offset(log.head());
  }
  if (resource.definition.source == nullptr) return;
  v1::SourceStatus* status = out->mutable_source();
  status->set_state(v1::SOURCE_STATE_IDLE);
  int64_t last_record_ms = 0;
  SourceLag lag;
  for (const auto& [variant, stream] : resource.streams) {
    const SourceDriver& driver = *stream->driver;
    if (Weight(driver.state()) > Weight(status->state())) status->set_state(driver.state());
    if (!driver.last_error().empty()) status->set_last_error(driver.last_error());
    if (const auto ms = driver.lag().ms) lag.ms = std::max(lag.ms.value_or(0), *ms);
    if (const auto bytes = driver.lag().bytes) lag.bytes = lag.bytes.value_or(0) + *bytes;
    last_record_ms = std::max(last_record_ms, stream->log->last_append_ms());
  }
  if (lag.ms) {
    status->mutable_lag()->set_seconds(*lag.ms / 1000);
    status->mutable_lag()->set_nanos(static_cast<int32_t>(*lag.ms % 1000) * 1'000'000);
  }
  if (lag.bytes) status->set_lag_bytes(*lag.bytes);
  if (last_record_ms > 0) SetTime(last_record_ms, status->mutable_last_record_at());
}

// Following.

void StreamsCore::Follow(const v1::SubscribeRequest& request, StreamFollower* follower,
                         Reply<FollowStart> reply) {
  absl::StatusOr<Resource*> found = Authorize(follower->caller, policy::Action::kStreamRead,
                                              request.stream_type(), request.resource_id());
  if (absl::IsNotFound(found.status())) {
    return reply(SubscriptionFailed("RESOURCE_NOT_FOUND", std::string(found.status().message())));
  }
  if (!found.ok()) return reply(found.status());
  Resource& resource = **found;
  if (resource.traits.per_user && follower->caller.peer) {
    FollowStart start;
    start.per_user = true;
    return reply(std::move(start));
  }
  const std::string variant = VariantOf(resource, follower->caller, request.filter());
  StreamPtr stream = FindStream(resource, variant);
  if (stream == nullptr) {
    absl::StatusOr<StreamPtr> made =
        MakeStream(resource, variant, &follower->caller, request.filter());
    if (!made.ok()) return reply(made.status());
    stream = *std::move(made);
  }
  ++counters_.subscriptions;
  stream->log->WhenReady([this, request, stream, follower, reply](const absl::Status& status) {
    if (!status.ok()) return reply(status);
    // Its demand starts the source; it is told of advances from here on, and reads from its cursor
    // once it has one.
    stream->followers.push_back(follower);
    UpdateDemand(*stream);
    const bool resumes = request.has_resume() && request.resume().epoch() == stream->log->epoch();
    if (stream->driver == nullptr || resumes) {
      return BeginFollow(request, stream, follower, reply);
    }
    stream->driver->WhenLive([this, request, stream, follower, reply](const absl::Status& live) {
      if (live.ok()) return BeginFollow(request, stream, follower, reply);
      Unfollow(stream, follower);
      reply(live);
    });
  });
}

void StreamsCore::BeginFollow(const v1::SubscribeRequest& request, const StreamPtr& stream,
                              StreamFollower* follower, const Reply<FollowStart>& reply) {
  const StreamLog& log = *stream->log;
  if (stream->resource == nullptr) {
    return reply(SubscriptionFailed("RESOURCE_NOT_FOUND", "the resource was removed"));
  }
  FollowStart start;
  start.stream = stream;
  start.epoch = log.epoch();
  start.head = start.cursor = log.head();
  const int64_t oldest = log.first_offset() - 1;
  if (request.has_resume()) {
    const v1::Position& resume = request.resume();
    if (resume.epoch() == log.epoch() && resume.offset() >= 0 && resume.offset() <= log.head()) {
      start.cursor = std::max(resume.offset(), oldest);
      // An edge resumes for all its readers, and so without a bound.
      if (!follower->caller.peer) start.cursor = std::max(start.cursor, log.head() - kMaxReplay);
      start.recovered = start.cursor == resume.offset();
    }
  } else if (request.history() > 0) {
    const int64_t count = std::min<int64_t>(request.history(), kMaxReplay);
    start.cursor = std::max(log.head() - count, oldest);
  }
  reply(std::move(start));
}

void StreamsCore::Unfollow(const StreamPtr& stream, StreamFollower* follower) {
  std::erase(stream->followers, follower);
  if (stream->followers.empty()) stream->unread_since_ms = env_.clock.SteadyMillis();
  UpdateDemand(*stream);
}

}  // namespace covet::streams
