#include "common/eventlog/log_metrics.h"

#include "common/logging/log.h"

namespace covet::eventlog {

LogMetrics::LogMetrics(metrics::Registry* registry, const std::string& role) : role_(role) {
  const std::string prefix = "covet_" + role;
  commit_seconds_ = registry->AddHistogram(prefix + "_commit_seconds",
                                           "From taking writes off the queue to the end of the "
                                           "fsync.",
                                           metrics::LatencyBuckets());
  commits_ = registry->AddCounter(prefix + "_commits_total", "Commits of the event log.");
  records_ = registry->AddCounter(prefix + "_records_total",
                                  "Records that commits appended to logs on disk.");
  refused_writes_ = registry->AddCounter(prefix + "_refused_writes_total",
                                         "Writes that a full queue turned away.");
  wal_bytes_ = registry->AddGauge(prefix + "_wal_bytes", "The write-ahead log's size.");
  disk_full_ = registry->AddGauge(prefix + "_disk_full",
                                  "1 while the disk has no room for what is to be written.");
}

void LogMetrics::OnCommit(const Commit& commit) {
  commit_seconds_.Observe(static_cast<double>(commit.duration_us) / 1e6);
  commits_.Add();
  records_.Add(static_cast<double>(commit.records));
  wal_bytes_.Set(static_cast<double>(commit.wal_bytes));
}

void LogMetrics::OnDiskFull(bool full) {
  disk_full_.Set(full ? 1 : 0);
  if (full) {
    log::Error("log_disk_full", {{"role", role_}});
  } else {
    log::Info("log_disk_has_room", {{"role", role_}});
  }
}

}  // namespace covet::eventlog
