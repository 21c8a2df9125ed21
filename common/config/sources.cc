#include "common/config/sources.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace covet::config {
namespace {

using v1::StreamResourceConfig;

constexpr size_t kMaxNameBytes = 63;  // PostgreSQL's NAMEDATALEN less one.

std::string NameFromId(const std::string& id) {
  std::string name = absl::StrCat("covet_", absl::AsciiStrToLower(id));
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return !absl::ascii_isalnum(static_cast<unsigned char>(c)); }, '_');
  return name.substr(0, kMaxNameBytes);
}

class SourceChecker {
 public:
  using Fail = std::function<void(const std::string& key, const std::string& what)>;

  SourceChecker(const v1::Config& config, const Fail& fail) : config_(config), fail_(fail) {}

  void Run() {
    for (int i = 0; i < config_.streams().resources_size(); ++i) {
      const StreamResourceConfig& resource = config_.streams().resources(i);
      key_ = absl::StrCat("streams.resources[", i, "]");
      CheckResource(resource);
      switch (resource.source_case()) {
        case StreamResourceConfig::kHost:
          CheckType(resource, "host", "metrics");
          if (!resource.host().database().empty()) {
            CheckDatabase(".host.database", resource.host().database());
          }
          break;
        case StreamResourceConfig::kDatabaseChanges:
          CheckType(resource, "database_changes", "database_changes");
          CheckChanges(resource);
          break;
        case StreamResourceConfig::kLogFile:
          CheckType(resource, "log_file", "logs");
          CheckPath(resource.log_file().path());
          break;
        case StreamResourceConfig::kBackendStream:
          CheckBackend(resource.backend_stream());
          break;
        case StreamResourceConfig::SOURCE_NOT_SET:
          break;
      }
    }
  }

 private:
  void CheckResource(const StreamResourceConfig& resource) {
    static const std::set<std::string> kTypes = {"metrics", "logs", "events", "database_changes"};
    if (!kTypes.contains(resource.type())) {
      At(".type", absl::StrCat("`", resource.type(),
                               "` is none of metrics, logs, events, database_changes"));
    }
    if (!resources_.emplace(resource.type(), resource.id()).second) {
      At(".id", absl::StrCat("`", resource.id(), "` is used twice for ", resource.type()));
    }
  }

  void CheckType(const StreamResourceConfig& resource, const std::string& source,
                 const std::string& type) {
    if (resource.type() != type) {
      At(absl::StrCat(".", source), absl::StrCat("is for `type: ", type, "`"));
    }
  }

  void CheckDatabase(const std::string& member, const std::string& name) {
    if (!config_.databases().contains(name)) {
      At(member, absl::StrCat("`", name, "` is not in `databases`"));
    }
  }

  void CheckChanges(const StreamResourceConfig& resource) {
    const v1::DatabaseChangesSourceConfig& changes = resource.database_changes();
    CheckDatabase(".database_changes.database", changes.database());
    const std::string publication = PublicationOf(resource);
    if (publication.size() > kMaxNameBytes) {
      At(".database_changes.publication", "must have at most 63 bytes");
    }
    const std::string slot = SlotOf(resource);
    const bool good = std::all_of(slot.begin(), slot.end(), [](char c) {
      return absl::ascii_islower(static_cast<unsigned char>(c)) ||
             absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
    });
    if (!good || slot.size() > kMaxNameBytes) {
      At(".database_changes.slot", absl::StrCat("`", slot, "` must be [a-z0-9_]{1,63}"));
    }
    // Slots belong to the server, whatever the database.
    const auto database = config_.databases().find(changes.database());
    if (database != config_.databases().end() &&
        !slots_
             .insert(absl::StrCat(database->second.host(), ":", database->second.port(), "/", slot))
             .second) {
      At(".database_changes.slot",
         absl::StrCat("`", slot, "` is used by another resource of that server"));
    }
    for (int i = 0; i < changes.tables_size(); ++i) {
      const std::string& table = changes.tables(i);
      const size_t dot = table.find('.');
      if (table.empty() || dot == 0 || dot + 1 == table.size()) {
        At(absl::StrCat(".database_changes.tables[", i, "]"),
           absl::StrCat("`", table, "` must be `schema.table` or `table`"));
      }
    }
  }

  void CheckPath(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (!path.starts_with('/') || slash + 1 == path.size()) {
      return At(".log_file.path", absl::StrCat("`", path, "` must be the absolute path of a file"));
    }
    if (path.substr(0, slash).find_first_of("*?[") != std::string::npos) {
      At(".log_file.path", "may have a pattern in its last part only");
    }
  }

  void CheckBackend(const v1::BackendStreamSourceConfig& stream) {
    const auto backend = config_.backends().find(stream.backend());
    if (backend == config_.backends().end()) {
      return At(".backend_stream.backend",
                absl::StrCat("`", stream.backend(), "` is not in `backends`"));
    }
    const std::string& method = stream.method();
    const size_t slash = method.find('/');
    const std::string service = method.substr(0, slash == std::string::npos ? 0 : slash);
    const std::string prefix = method.substr(0, method.rfind('.'));
    const auto& services = backend->second.services();
    const bool offered =
        std::any_of(services.begin(), services.end(), [&](const v1::BackendServiceConfig& offer) {
          return slash == std::string::npos ? !offer.prefix().empty() && offer.prefix() == prefix
                                            : offer.service() == service;
        });
    if (!offered) {
      At(".backend_stream.method",
         absl::StrCat("`", method, "` belongs to no service of `backends.", stream.backend(), "`"));
    }
  }

  void At(const std::string& member, const std::string& what) { fail_(key_ + member, what); }

  const v1::Config& config_;
  const Fail& fail_;
  std::string key_;
  std::set<std::pair<std::string, std::string>> resources_;
  std::set<std::string> slots_;
};

}  // namespace

std::string PublicationOf(const v1::StreamResourceConfig& resource) {
  const std::string& name = resource.database_changes().publication();
  return name.empty() ? NameFromId(resource.id()) : name;
}

std::string SlotOf(const v1::StreamResourceConfig& resource) {
  const std::string& name = resource.database_changes().slot();
  return name.empty() ? PublicationOf(resource) : name;
}

void CheckSources(
    const v1::Config& config,
    const std::function<void(const std::string& key, const std::string& what)>& fail) {
  SourceChecker(config, fail).Run();
}

}  // namespace covet::config
