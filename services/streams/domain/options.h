#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/eventlog/event_log.h"
#include "covet/streams/v1/streams.pb.h"
#include "services/streams/domain/source.h"

namespace covet::streams {

// Something that has a stream, as configuration declares it.
struct ResourceDefinition {
  v1::StreamType type = v1::STREAM_TYPE_UNSPECIFIED;
  std::string id;
  std::string description;
  eventlog::Retention retention;
  bool memory = false;
  std::shared_ptr<Source> source;  // Null where records come by Publish alone.
  std::string source_config;       // What `source` was made from: another text, another source.
};

struct StreamsOptions {
  int64_t dedup_window_ms = 600'000;
  // Appends that wait for their commit; beyond it publishes get UNAVAILABLE.
  int64_t max_inflight_bytes = 64LL << 20;
  // The bound over the newest records of all logs that stay in memory.
  size_t total_cache_bytes = 64LL << 20;
  // Streams that exist for one user or filter only. Beyond it the one that is longest without a
  // reader goes; where all have readers, subscribes get UNAVAILABLE.
  size_t max_variants = 10'000;
  // What those without a reader may hold; the longest unread go first.
  int64_t max_unread_bytes = 64LL << 20;
};

}  // namespace covet::streams
