#include "services/streams/streams_metrics.h"

namespace covet::streams {

StreamsMetrics::StreamsMetrics(metrics::Registry* registry) : log_(registry, "streams") {
  const auto value = [this](Value index, double scale = 1) {
    return
        [values = values_, index, scale] { return static_cast<double>((*values)[index]) * scale; };
  };
  const auto counter = [&](const char* name, const char* help, Value index) {
    registrations_.push_back(registry->AddCallbackCounter(name, help, {}, value(index)));
  };
  const auto gauge = [&](const char* name, const char* help, Value index) {
    registrations_.push_back(registry->AddCallbackGauge(name, help, {}, value(index)));
  };
  counter("covet_streams_published_total", "Records that Publish appended.", kPublished);
  counter("covet_streams_published_bytes_total", "Bytes of those records.", kPublishedBytes);
  counter("covet_streams_duplicates_total", "Records whose idempotency key was known.",
          kDuplicates);
  counter("covet_streams_subscriptions_total", "Subscribes.", kSubscriptions);
  counter("covet_streams_delivered_total", "Records given to readers.", kDelivered);
  counter("covet_streams_delivered_bytes_total", "Bytes of those records.", kDeliveredBytes);
  counter("covet_streams_resets_total",
          "Readers ended because the log no longer had what they needed.", kResets);
  counter("covet_streams_source_starts_total", "Runs of sources.", kSourceStarts);
  counter("covet_streams_source_failures_total", "Runs of sources that failed.", kSourceFailures);
  counter("covet_streams_source_gaps_total",
          "Times that a source lost records, of which readers are told.", kSourceGaps);
  gauge("covet_streams_readers", "Subscribes that are open.", kReaders);
  gauge("covet_streams_resources", "Resources that configuration declares.", kResources);
  gauge("covet_streams_inflight_bytes", "Published and not yet committed.", kInflightBytes);
  gauge("covet_streams_inflight_limit_bytes", "Beyond it publishes are refused.", kInflightLimit);
  registrations_.push_back(registry->AddCallbackGauge(
      "covet_streams_source_lag_seconds", "How far the source that is furthest ahead is ahead.", {},
      value(kSourceLagMs, 1e-3)));
  gauge("covet_streams_source_lag_bytes",
        "What sources have still to read of their files and servers' logs.", kSourceLagBytes);
  const auto sources = [&](const char* state, Value index) {
    registrations_.push_back(registry->AddCallbackGauge(
        "covet_streams_sources", "Sources by their state.", {{"state", state}}, value(index)));
  };
  sources("idle", kSourcesIdle);
  sources("connecting", kSourcesConnecting);
  sources("live", kSourcesLive);
  sources("failed", kSourcesFailed);
}

void StreamsMetrics::Copy(const StreamsCore& core) {
  const StreamsCounters& counters = core.counters();
  const SourcesSummary sources = core.sources();
  Values& values = *values_;
  values[kPublished] = counters.appended;
  values[kPublishedBytes] = counters.appended_bytes;
  values[kDuplicates] = counters.duplicates;
  values[kSubscriptions] = counters.subscriptions;
  values[kDelivered] = counters.delivered;
  values[kDeliveredBytes] = counters.delivered_bytes;
  values[kResets] = counters.resets;
  values[kSourceStarts] = core.source_counters().starts;
  values[kSourceFailures] = core.source_counters().failures;
  values[kSourceGaps] = core.source_gaps();
  values[kReaders] = core.follower_count();
  values[kResources] = static_cast<int64_t>(core.resource_count());
  values[kInflightBytes] = core.inflight_bytes();
  values[kInflightLimit] = core.max_inflight_bytes();
  values[kSourceLagMs] = sources.max_lag_ms;
  values[kSourceLagBytes] = sources.lag_bytes;
  values[kSourcesIdle] = sources.by_state[v1::SOURCE_STATE_IDLE];
  values[kSourcesConnecting] = sources.by_state[v1::SOURCE_STATE_CONNECTING];
  values[kSourcesLive] = sources.by_state[v1::SOURCE_STATE_LIVE];
  values[kSourcesFailed] = sources.by_state[v1::SOURCE_STATE_FAILED];
}

}  // namespace covet::streams
