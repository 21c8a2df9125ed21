#include "tools/covetd/summary.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/config.h"
#include "common/config/schema.h"
#include "common/config/values.h"

namespace covet::covetd {
namespace {

const char* Tls(const config::v1::TlsConfig& tls) {
  if (tls.cert_file().empty()) return "no TLS";
  return tls.ca_file().empty() ? "TLS" : "mutual TLS";
}

}  // namespace

std::string Summary(const config::v1::Config& config) {
  const bool edge = config::RunsRole(config, "edge");
  std::string out = absl::StrCat("roles      ", absl::StrJoin(config::RolesOf(config), ", "), "\n");
  if (edge) {
    absl::StrAppend(&out, "edge       ", config.edge().listen(), ", ", Tls(config.edge().tls()),
                    ", at most ", config.edge().max_connections(), " connections",
                    config.limits().unlimited() ? ", limits lifted" : "", "\n");
  }
  absl::StrAppend(&out, "grpc       ", config.grpc().listen(), ", ", Tls(config.grpc().tls()),
                  "\n");
  absl::StrAppend(&out, "admin      ", config.admin().listen(), "\n");
  for (const auto& [role, address] :
       {std::pair{"rooms", config.peers().rooms()}, std::pair{"streams", config.peers().streams()},
        std::pair{"rpc", config.peers().rpc()}, std::pair{"files", config.peers().files()}}) {
    if (!address.empty() && !config::RunsRole(config, role)) {
      absl::StrAppend(&out, "peer       ", role, " at ", address, "\n");
    }
  }
  absl::StrAppend(&out, "data       ", config.storage().data_dir(), "\n");
  absl::StrAppend(&out, "auth       ", config.auth().jwt().keys_size(), " token keys, ",
                  config.auth().api_keys_size(), " API keys, ", config.roles_size(), " roles\n");
  absl::StrAppend(&out, "rooms      ", config.rooms().rooms_size(), " made at start, ",
                  config.rooms().patterns_size(), " patterns\n");
  absl::StrAppend(&out, "memory     ", config::MemoryBudget(config) >> 20, " MiB for queues\n");
  return out;
}

}  // namespace covet::covetd
