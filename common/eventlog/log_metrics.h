#pragma once

#include <string>

#include "common/eventlog/sqlite_event_log.h"
#include "common/metrics/metrics.h"

namespace covet::eventlog {

// What Prometheus and people see of a role's log on disk: covet_<role>_commit_seconds,
// _commits_total, _records_total, _refused_writes_total, _wal_bytes, _disk_full.
class LogMetrics final : public SqliteLogObserver {
 public:
  LogMetrics(metrics::Registry* registry, const std::string& role);

  void OnCommit(const Commit& commit) override;
  void OnRefusedWrite() override { refused_writes_.Add(); }
  void OnDiskFull(bool full) override;

 private:
  const std::string role_;
  metrics::Histogram commit_seconds_;
  metrics::Counter commits_;
  metrics::Counter records_;
  metrics::Counter refused_writes_;
  metrics::Gauge wal_bytes_;
  metrics::Gauge disk_full_;
};

}  // namespace covet::eventlog
