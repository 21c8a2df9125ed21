#include "services/streams/source_factory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "common/config/sources.h"
#include "services/streams/sources/backend/backend_source.h"
#include "services/streams/sources/host/host_source.h"
#include "services/streams/sources/logs/log_source.h"
#include "services/streams/sources/postgres/change_stream.h"
#include "services/streams/sources/postgres/database_metrics.h"

namespace covet::streams {
namespace {

using config::v1::StreamResourceConfig;

absl::StatusOr<config::v1::DatabaseConfig> Database(const config::v1::Config& config,
                                                    const std::string& name) {
  const auto database = config.databases().find(name);
  if (database == config.databases().end()) {
    return absl::InvalidArgumentError(absl::StrCat("`", name, "` is not in `databases`"));
  }
  return database->second;
}

absl::StatusOr<std::shared_ptr<Source>> MakeHost(const config::v1::Config& config,
                                                 const config::v1::HostSourceConfig& host,
                                                 const SourceTools& tools) {
  const int64_t interval_ms = config::Millis(host.interval());
  if (host.database().empty()) return host::MakeHostSource(interval_ms, tools.clock);
  absl::StatusOr<config::v1::DatabaseConfig> database = Database(config, host.database());
  if (!database.ok()) return database.status();
  return host::MakeHostSource(
      interval_ms, tools.clock,
      [interval_ms, &clock = tools.clock, database = *std::move(database)]() -> host::MoreMembers {
        auto metrics = std::make_shared<postgres::DatabaseMetrics>(database, interval_ms, clock);
        return [metrics = std::move(metrics)](std::string* json) {
          json->append(metrics->Members());
          return metrics->status();
        };
      });
}

absl::StatusOr<std::shared_ptr<Source>> MakeChanges(const config::v1::Config& config,
                                                    const StreamResourceConfig& resource,
                                                    const SourceTools& tools) {
  const config::v1::DatabaseChangesSourceConfig& changes = resource.database_changes();
  absl::StatusOr<config::v1::DatabaseConfig> database = Database(config, changes.database());
  if (!database.ok()) return database.status();
  postgres::SlotOptions options;
  options.publication = config::PublicationOf(resource);
  options.slot = config::SlotOf(resource);
  options.tables.assign(changes.tables().begin(), changes.tables().end());
  return postgres::MakeChangeSource(*std::move(database), std::move(options), tools.clock);
}

}  // namespace

absl::StatusOr<std::shared_ptr<Source>> MakeSource(const config::v1::Config& config,
                                                   const StreamResourceConfig& resource,
                                                   const SourceTools& tools) {
  switch (resource.source_case()) {
    case StreamResourceConfig::kHost:
      return MakeHost(config, resource.host(), tools);
    case StreamResourceConfig::kDatabaseChanges:
      return MakeChanges(config, resource, tools);
    case StreamResourceConfig::kLogFile:
      return logs::MakeLogSource(resource.log_file(), tools.clock);
    case StreamResourceConfig::kBackendStream:
      if (tools.backends == nullptr) {
        return absl::InvalidArgumentError("backends cannot be added without a restart");
      }
      return backend::MakeBackendSource(resource.backend_stream(), *tools.backends, tools.clock);
    case StreamResourceConfig::SOURCE_NOT_SET:
      break;
  }
  return nullptr;
}

}  // namespace covet::streams
