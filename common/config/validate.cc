#include "common/config/validate.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/read_file.h"
#include "common/config/config.h"
#include "common/config/formats.h"
#include "common/config/schema.h"
#include "common/config/sources.h"
#include "common/config/values.h"
#include "common/policy/action.h"
#include "common/policy/policy.h"

namespace covet::config {
namespace {

constexpr size_t kMinHs256SecretBytes = 32;  // RFC 7518 section 3.2.
constexpr size_t kMinClusterKeyBytes = 16;
// What an envelope may add to the payload, chunk or parameters that it carries.
constexpr int64_t kEnvelopeBytes = 4096;

class Checker {
 public:
  Checker(const Config& config, const Locations& locations, std::vector<std::string>* errors)
      : config_(config), locations_(locations), errors_(errors) {}

  void Run() {
    CheckTargets();
    CheckListeners();
    CheckTls("edge.tls", config_.edge().tls());
    CheckTls("grpc.tls", config_.grpc().tls());
    if (!config_.edge().tls().ca_file().empty()) {
      Fail("edge.tls.ca_file", "is for grpc.tls; clients are not asked for certificates");
    }
    CheckStaticFiles();
    CheckSizes();
    CheckJwt();
    CheckApiKeys();
    CheckRoles();
    CheckRooms();
    CheckBackends();
    CheckDatabases();
    CheckPeers();
    CheckSources(config_,
                 [this](const std::string& key, const std::string& what) { Fail(key, what); });
  }

 private:
  void CheckTargets() {
    std::set<std::string> seen;
    for (const std::string& target : config_.targets()) {
      if (!seen.insert(target).second) Fail("targets", absl::StrCat(target, " is named twice"));
    }
    if (seen.contains("all") && seen.size() > 1) {
      Fail("targets", "all stands for every role and goes alone");
    }
  }

  void CheckListeners() {
    std::vector<std::pair<std::string, std::string>> listeners{
        {"grpc.listen", config_.grpc().listen()}, {"admin.listen", config_.admin().listen()}};
    if (RunsRole(config_, "edge")) listeners.emplace_back("edge.listen", config_.edge().listen());
    for (size_t i = 0; i < listeners.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        std::string host_a, host_b;
        int port_a = 0, port_b = 0;
        if (!SplitAddress(listeners[i].second, &host_a, &port_a) ||
            !SplitAddress(listeners[j].second, &host_b, &port_b) || port_a != port_b ||
            port_a == 0) {
          continue;
        }
        const auto any = [](const std::string& host) { return host == "0.0.0.0" || host == "::"; };
        if (host_a == host_b || any(host_a) || any(host_b)) {
          Fail(listeners[i].first,
               absl::StrCat(listeners[i].second, " is taken by ", listeners[j].first));
        }
      }
    }
    if (Nanos(config_.grpc().keepalive_time()) < Nanos(config_.grpc().min_ping_interval())) {
      Fail("grpc.keepalive_time", "must not be less than min_ping_interval, or peers refuse pings");
    }
  }

  void CheckTls(const std::string& key, const v1::TlsConfig& tls) {
    if (tls.cert_file().empty() != tls.key_file().empty()) {
      Fail(key, "needs both cert_file and key_file");
    }
    if (!tls.ca_file().empty() && tls.cert_file().empty()) {
      Fail(absl::StrCat(key, ".ca_file"), "needs cert_file and key_file");
    }
    for (const auto& [name, file] :
         {std::pair{"cert_file", tls.cert_file()}, std::pair{"key_file", tls.key_file()},
          std::pair{"ca_file", tls.ca_file()}}) {
      if (file.empty()) continue;
      const absl::StatusOr<std::string> pem = ReadFile(file);
      if (!pem.ok()) Fail(absl::StrCat(key, ".", name), std::string(pem.status().message()));
    }
  }

  void CheckStaticFiles() {
    std::set<std::string> seen;
    for (int i = 0; i < config_.edge().static_files_size(); ++i) {
      const v1::StaticFilesConfig& files = config_.edge().static_files(i);
      const std::string key = absl::StrCat("edge.static_files[", i, "]");
      const std::string& path = files.path();
      if (path.empty() || files.directory().empty()) continue;  // Their rules tell.
      const bool plain = std::all_of(path.begin(), path.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
               absl::string_view("/._~-").find(c) != absl::string_view::npos;
      });
      if (!plain || path.front() != '/' || path.back() != '/' || absl::StrContains(path, "//") ||
          absl::StrContains(path, "/.")) {
        Fail(key + ".path", absl::StrCat("`", path, "` is neither `/` nor of the form `/name/`"));
      }
      if (!seen.insert(path).second) {
        Fail(key + ".path", absl::StrCat("`", path, "` is used twice"));
      }
      if (access(files.directory().c_str(), R_OK | X_OK) != 0) {
        Fail(key + ".directory", absl::StrCat("cannot read ", files.directory()));
      }
    }
  }

  void CheckSizes() {
    const v1::LimitsConfig& limits = config_.limits();
    const int64_t frame = config_.edge().max_message_bytes();
    if (limits.payload_bytes() > frame) {
      Fail("limits.payload_bytes", "must not be more than edge.max_message_bytes");
    }
    if (limits.rpc_bytes() > frame) {
      Fail("limits.rpc_bytes", "must not be more than edge.max_message_bytes");
    }
    // A chunk in a text message is base64.
    if (limits.chunk_bytes() / 3 * 4 + kEnvelopeBytes > frame) {
      Fail("limits.chunk_bytes", "does not fit edge.max_message_bytes as base64");
    }
    if (frame + kEnvelopeBytes > config_.grpc().max_message_bytes()) {
      Fail("grpc.max_message_bytes", "must exceed edge.max_message_bytes by 4 KiB or more");
    }
    if (frame > config_.edge().outbound_queue_bytes()) {
      Fail("edge.outbound_queue_bytes", "must not be less than edge.max_message_bytes");
    }
  }

  void CheckJwt() {
    std::set<std::string> seen;
    for (int i = 0; i < config_.auth().jwt().keys_size(); ++i) {
      const v1::JwtKeyConfig& jwt_key = config_.auth().jwt().keys(i);
      const std::string key = absl::StrCat("auth.jwt.keys[", i, "]");
      if (!seen.insert(jwt_key.kid()).second) {
        Fail(key + ".kid", absl::StrCat("`", jwt_key.kid(), "` is used twice"));
      }
      if (jwt_key.algorithm() != v1::JWT_ALGORITHM_HS256) {
        Fail(key + ".algorithm",
             absl::StrCat(EnumText(google::protobuf::GetEnumDescriptor<v1::JwtAlgorithm>()
                                       ->FindValueByNumber(jwt_key.algorithm())),
                          " is not supported yet; hs256 is"));
        continue;
      }
      if (!jwt_key.public_key_file().empty()) {
        Fail(key + ".public_key_file", "is not supported yet");
      }
      if (!jwt_key.jwks_url().empty()) Fail(key + ".jwks_url", "is not supported yet");
      CheckSecret(key + ".secret", jwt_key.secret(), kMinHs256SecretBytes);
    }
  }

  void CheckSecret(const std::string& key, const v1::Secret& secret, size_t min_bytes) {
    const auto value = ResolveSecret(secret);
    if (!value.ok()) {
      Fail(key, std::string(value.status().message()));
    } else if (value->size() < min_bytes) {
      Fail(key, absl::StrCat("must have ", min_bytes, " bytes or more"));
    }
  }

  void CheckApiKeys() {
    std::set<std::string> seen;
    for (int i = 0; i < config_.auth().api_keys_size(); ++i) {
      const std::string& id = config_.auth().api_keys(i).id();
      const std::string key = absl::StrCat("auth.api_keys[", i, "].id");
      if (!seen.insert(id).second) Fail(key, absl::StrCat("`", id, "` is used twice"));
      if (absl::StrContains(id, ".")) Fail(key, "must not hold a dot, which ends it in a key");
    }
  }

  void CheckRoles() {
    for (const auto& [name, role] : config_.roles()) {
      const std::string wrong = CheckFormat(v1::FORMAT_ID, name);
      if (!wrong.empty()) {
        Fail(absl::StrCat("roles.", name), absl::StrCat("the name ", wrong));
      }
      for (int i = 0; i < role.grants_size(); ++i) {
        const absl::Status status = policy::CheckGrant(role.grants(i));
        if (!status.ok()) {
          Fail(absl::StrCat("roles.", name, ".grants[", i, "]"), std::string(status.message()));
        }
      }
    }
  }

  void CheckRooms() {
    const v1::RoomsConfig& rooms = config_.rooms();
    CheckRetention("rooms.default_retention", rooms.default_retention());
    std::set<std::string> seen;
    for (int i = 0; i < rooms.patterns_size(); ++i) {
      const std::string key = absl::StrCat("rooms.patterns[", i, "]");
      if (!seen.insert(rooms.patterns(i).pattern()).second) {
        Fail(key + ".pattern", absl::StrCat("`", rooms.patterns(i).pattern(), "` is used twice"));
      }
      CheckRetention(key + ".retention", rooms.patterns(i).retention());
    }
    seen.clear();
    for (int i = 0; i < rooms.rooms_size(); ++i) {
      const v1::StaticRoomConfig& room = rooms.rooms(i);
      const std::string key = absl::StrCat("rooms.rooms[", i, "]");
      if (!seen.insert(room.room_id()).second) {
        Fail(key + ".room_id", absl::StrCat("`", room.room_id(), "` is used twice"));
      }
      if (room.metadata().fields().contains("created_at")) {
        Fail(key + ".metadata", "must not hold created_at, which is a key of the room");
      }
      CheckRetention(key + ".retention", room.retention());
      const auto grants = policy::RoomGrants::Compile(room.grants());
      if (!grants.ok()) Fail(key + ".grants", std::string(grants.status().message()));
    }
  }

  void CheckRetention(const std::string& key, const covet::rooms::v1::Retention& retention) {
    if (retention.max_count() < 0) Fail(key + ".max_count", "must be at least 0");
    if (retention.max_bytes() < 0) Fail(key + ".max_bytes", "must be at least 0");
    if (Nanos(retention.max_age()) < 0) Fail(key + ".max_age", "must be at least 0");
  }

  // Which names of methods clash depends on schemas that are known only later, these apart.
  void CheckBackends() {
    std::map<std::string, std::string> services;
    for (const auto& [name, backend] : std::map<std::string, v1::BackendConfig>(
             config_.backends().begin(), config_.backends().end())) {
      const std::string key = absl::StrCat("backends.", name);
      const std::string wrong = CheckFormat(v1::FORMAT_ID, name);
      if (!wrong.empty()) Fail(key, absl::StrCat("the name ", wrong));
      for (const std::string& role : AllRoles()) {
        if (name == role) Fail(key, "is the name of a role, which metrics use");
      }
      for (int i = 0; i < backend.services_size(); ++i) {
        const v1::BackendServiceConfig& service = backend.services(i);
        const std::string service_key = absl::StrCat(key, ".services[", i, "]");
        const auto [known, added] = services.emplace(service.service(), name);
        if (!added) {
          Fail(service_key + ".service",
               absl::StrCat("`", service.service(), "` is offered by backends.", known->second,
                            " already"));
        }
        if (absl::StartsWith(service.service(), "covet.")) {
          Fail(service_key + ".service", "is a name of Covet's own services");
        }
        for (const char* own : {"rooms", "streams", "files", "system", "database"}) {
          if (service.prefix() == own) {
            Fail(service_key + ".prefix", absl::StrCat("`", own, "` is for Covet's own methods"));
          }
        }
      }
    }
  }

  void CheckDatabases() {
    for (const auto& [id, database] : config_.databases()) {
      const std::string wrong = CheckFormat(v1::FORMAT_ID, id);
      if (!wrong.empty()) Fail(absl::StrCat("databases.", id), absl::StrCat("the id ", wrong));
    }
  }

  void CheckPeers() {
    if (RunsEverything(config_)) {
      if (config_.peers().cluster_key().source_case() != v1::Secret::SOURCE_NOT_SET) {
        CheckSecret("peers.cluster_key", config_.peers().cluster_key(), kMinClusterKeyBytes);
      }
      return;
    }
    CheckSecret("peers.cluster_key", config_.peers().cluster_key(), kMinClusterKeyBytes);
    // An edge without rooms serves nobody; the other services may be missing.
    if (RunsRole(config_, "edge") && !RunsRole(config_, "rooms") &&
        config_.peers().rooms().empty()) {
      Fail("peers.rooms", "must say where the rooms service is, for it does not run here");
    }
  }

  void Fail(const std::string& key, const std::string& what) {
    errors_->push_back(absl::StrCat(LocationOf(locations_, key), ": ", key, ": ", what));
  }

  const Config& config_;
  const Locations& locations_;
  std::vector<std::string>* const errors_;
};

}  // namespace

void Validate(const v1::Config& config, const Locations& locations,
              std::vector<std::string>* errors) {
  ValidateRules(config, locations, errors);
  Checker(config, locations, errors).Run();
}

}  // namespace covet::config
