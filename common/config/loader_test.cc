#include "common/config/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/config/config.h"
#include "common/config/printer.h"
#include "common/config/sources.h"
#include "common/config/values.h"
#include "google/protobuf/util/message_differencer.h"

namespace covet::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class LoaderTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& text) {
    const std::string path =
        absl::StrCat(testing::TempDir(), "/",
                     testing::UnitTest::GetInstance()->current_test_info()->name(), ".yaml");
    std::ofstream(path) << text;
    return path;
  }
  absl::StatusOr<Config> LoadText(const std::string& text) { return Load({.file = Write(text)}); }
  // The lines of the error, with the file's name as `F`.
  std::vector<std::string> Errors(const Sources& sources) {
    const auto config = Load(sources);
    if (config.ok()) return {};
    std::vector<std::string> lines = absl::StrSplit(std::string(config.status().message()), '\n');
    for (std::string& line : lines) {
      if (!sources.file.empty() && line.rfind(sources.file, 0) == 0) {
        line = "F" + line.substr(sources.file.size());
      }
    }
    return lines;
  }
  std::vector<std::string> ErrorsIn(const std::string& text) {
    return Errors({.file = Write(text)});
  }
};

TEST_F(LoaderTest, ReadsEveryKindOfValue) {
  const auto config = LoadText(R"(
edge:
  threads: 3
  compression: false
  heartbeat_interval: 250ms
  max_message_bytes: 512KiB
  allowed_origins: [https://a.example, "https://b.example"]
limits:
  messages: 7/s
  rpc_calls: {count: 5}
  chunk_bytes: 1KiB
  rpc_bytes: 64KiB
auth:
  jwt:
    keys:
      - kid: k1
        secret: {value: 0123456789abcdef0123456789abcdef}
  api_keys:
    - {id: svc, sha256: 00000000000000000000000000000000000000000000000000000000000000aa,
       user_id: svc_1, roles: [admin], expires_at: 2030-01-01T00:00:00Z}
roles:
  admin: {grants: [{action: "*", pattern: "*"}]}
rooms:
  rooms:
    - room_id: project_123
      created_at: 2025-09-01T10:00:00Z
      metadata: {name: Project Alpha, size: 3, tags: [a, "1"], open: true}
  patterns:
    - {pattern: lobby_*, durability: memory, retention: {max_bytes: 1MiB}}
grpc: {reflection: always}
logging: {level: WARNING}
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->edge().threads(), 3);
  EXPECT_FALSE(config->edge().compression());
  EXPECT_EQ(Millis(config->edge().heartbeat_interval()), 250);
  EXPECT_EQ(config->edge().max_message_bytes(), 512 * 1024);
  EXPECT_THAT(config->edge().allowed_origins(),
              ElementsAre("https://a.example", "https://b.example"));
  EXPECT_EQ(FormatRate(config->limits().messages()), "7/s");
  EXPECT_EQ(FormatRate(config->limits().rpc_calls()), "5/min");
  EXPECT_EQ(config->auth().jwt().keys(0).algorithm(), v1::JWT_ALGORITHM_HS256);
  EXPECT_EQ(config->auth().api_keys(0).expires_at().seconds(), 1893456000);
  EXPECT_EQ(config->roles().at("admin").grants(0).action(), "*");
  const auto& metadata = config->rooms().rooms(0).metadata().fields();
  EXPECT_EQ(metadata.at("name").string_value(), "Project Alpha");
  EXPECT_EQ(metadata.at("size").number_value(), 3);
  EXPECT_EQ(metadata.at("tags").list_value().values(1).string_value(), "1");
  EXPECT_TRUE(metadata.at("open").bool_value());
  const auto& pattern = config->rooms().patterns(0);
  EXPECT_EQ(pattern.durability(), covet::rooms::v1::DURABILITY_MEMORY);
  EXPECT_EQ(pattern.retention().max_bytes(), 1 << 20);
  EXPECT_EQ(Millis(pattern.ephemeral_ttl()), 24 * 3600 * 1000);
  EXPECT_EQ(config->grpc().reflection(), v1::REFLECTION_MODE_ALWAYS);
  EXPECT_EQ(config->logging().level(), v1::LOG_LEVEL_WARNING);
  EXPECT_EQ(config->edge().max_connections(), 1000);
}

TEST_F(LoaderTest, EmptyFilesAndSectionsSayNothing) {
  for (const char* text : {"", "# nothing\n", "edge:\nroles:\nauth:\n  api_keys:\n"}) {
    const auto config = LoadText(text);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->edge().listen(), "0.0.0.0:8000");
  }
}

TEST_F(LoaderTest, UnknownKeysAreRefusedWithTheirPlaceAndTheNearestName) {
  EXPECT_THAT(
      ErrorsIn("edge:\n  max_conections: 5\n  zzz: 1\nroom: {}\n"),
      ElementsAre("F:2:3: unknown key edge.max_conections; did you mean max_connections?",
                  "F:3:3: unknown key edge.zzz", "F:4:1: unknown key room; did you mean rooms?"));
}

TEST_F(LoaderTest, TypeErrorsNameFileLineAndKey) {
  EXPECT_THAT(
      ErrorsIn("edge:\n  threads: many\n  compression: yes\n  heartbeat_interval: 5\n"
               "  max_message_bytes: huge\n  listen: [a]\n  allowed_origins: x\nlimits: 3\n"
               "logging: {level: loud}\nadmin: {listen: }\n"),
      ElementsAre(
          "F:2:12: edge.threads: `many` is not a whole number",
          "F:3:16: edge.compression: `yes` is neither true nor false",
          "F:4:23: edge.heartbeat_interval: `5` is not a duration such as 250ms, 5s, 10m or 24h",
          "F:5:22: edge.max_message_bytes: `huge` is not a size such as 65536, 64KiB or 1MiB",
          "F:6:11: edge.listen: must be a single value, not a list",
          "F:7:20: edge.allowed_origins: must be a list, not a single value",
          "F:8:9: limits: must be a section, not a single value",
          "F:9:18: logging.level: `loud` is none of debug, info, warning, error",
          HasSubstr("admin.listen: has no value")));
}

TEST_F(LoaderTest, BrokenYamlAndRepeatedKeysAreRefused) {
  EXPECT_THAT(ErrorsIn("edge: {listen\n"), ElementsAre(HasSubstr("F:")));
  EXPECT_THAT(ErrorsIn("admin:\n  listen: a:1\n  listen: b:2\n"),
              ElementsAre("F:3:3: admin.listen: is set twice"));
  EXPECT_THAT(ErrorsIn("a: 1\n---\nb: 2\n"), ElementsAre("F: holds more than one YAML document"));
  EXPECT_THAT(ErrorsIn("peers: {cluster_key: {value: a, env: B}}\n"),
              ElementsAre("F:1:33: peers.cluster_key.env: cannot be set beside value"));
}

TEST_F(LoaderTest, MissingFileIsNotFound) {
  EXPECT_EQ(Load({.file = "/nonexistent.yaml"}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(LoaderTest, EnvironmentOverridesFileAndSetOverridesBoth) {
  const std::string file =
      Write("edge: {max_connections: 1, threads: 1, listen: \"127.0.0.1:1\"}\n");
  const auto config = Load(
      {.file = file,
       .environment = {{"COVET_EDGE__MAX_CONNECTIONS", "2"},
                       {"COVET_EDGE__THREADS", "2"},
                       {"COVET_EDGE__ALLOWED_ORIGINS", "[http://a, http://b]"},
                       {"COVET_ROLES", "{viewer: {grants: [{action: 'room:read', pattern: '*'}]}}"},
                       {"HOME", "/"}},
       .sets = {"edge.threads=3", "limits.messages=9/h", "roles.Admin.grants=[]"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->edge().listen(), "127.0.0.1:1");
  EXPECT_EQ(config->edge().max_connections(), 2);
  EXPECT_EQ(config->edge().threads(), 3);
  EXPECT_THAT(config->edge().allowed_origins(), ElementsAre("http://a", "http://b"));
  EXPECT_EQ(FormatRate(config->limits().messages()), "9/h");
  EXPECT_TRUE(config->roles().contains("viewer"));
  EXPECT_TRUE(config->roles().contains("Admin"));
}

TEST_F(LoaderTest, TargetsOfTheCommandLineWin) {
  const auto config = Load({.sets = {"targets=[edge]", "peers.cluster_key.value=0123456789abcdef"},
                            .targets = {"rooms"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->targets(), ElementsAre("rooms"));
}

TEST_F(LoaderTest, BadOverridesNameTheirSource) {
  EXPECT_THAT(
      Errors({.environment = {{"COVET_EDGE__THREADS", "x"},
                              {"COVET_EDGE__THREDS", "1"},
                              {"COVET_EGDE__THREADS", "1"},
                              {"COVET_EDGE__TRUSTED_PROXIES__0", "1"}},
              .sets = {"edge", "edge.listen.port=3", "edge.abuse={close_after: 0"}}),
      ElementsAre("COVET_EDGE__THREADS: edge.threads: `x` is not a whole number",
                  "COVET_EDGE__THREDS: unknown key edge.threds; did you mean threads?",
                  "COVET_EDGE__TRUSTED_PROXIES__0: edge.trusted_proxies has no keys below it; "
                  "set the list as a whole",
                  "--set edge: is not key=value",
                  "--set edge.listen.port: edge.listen has no keys below it",
                  HasSubstr("--set edge.abuse: edge.abuse: "),
                  "COVET_EGDE__THREADS: unknown key egde; did you mean edge?"));
  EXPECT_THAT(
      Errors({.environment = {{"COVET_EDGE__ABUSE__CLOSE_AFTER", "0"}}}),
      ElementsAre("COVET_EDGE__ABUSE__CLOSE_AFTER: edge.abuse.close_after: must be at least 1"));
}

TEST_F(LoaderTest, ForeignVariablesAreLeftAlone) {
  for (const char* name :
       {"COVET_CONFIG", "COVET_DEV_JOBS", "COVET_TEST_TIMEOUT", "COVET_SERVICE_HOST", "COVET_PORT",
        "COVET_PORT_8000_TCP_ADDR", "COVET_EDGE_SERVICE_PORT_HTTP", "COVET_EDGE_PORT"}) {
    EXPECT_TRUE(IsForeignVariable(name)) << name;
    EXPECT_TRUE(Load({.environment = {{name, "tcp://10.0.0.1:80"}}}).ok()) << name;
  }
  for (const char* name : {"COVET_EDGE__LISTEN", "COVET_TARGETS", "COVET_PORTS", "COVET_X"}) {
    EXPECT_FALSE(IsForeignVariable(name)) << name;
  }
}

TEST_F(LoaderTest, VariablesThatSecretsNameAreNoOverrides) {
  setenv("COVET_CLUSTER_KEY", "0123456789abcdef", 1);
  const Sources sources{.environment = {{"COVET_CLUSTER_KEY", "0123456789abcdef"}},
                        .sets = {"targets=[rooms]", "peers.cluster_key.env=COVET_CLUSTER_KEY"}};
  EXPECT_TRUE(Load(sources).ok()) << Load(sources).status();
  EXPECT_THAT(Errors({.environment = sources.environment}),
              ElementsAre("COVET_CLUSTER_KEY: unknown key cluster_key"));
}

TEST_F(LoaderTest, ValuesAreCheckedAndProblemsNameTheirLine) {
  EXPECT_THAT(
      ErrorsIn(R"(edge:
  max_connections: 0
  heartbeat_interval: 2h
  blocked_networks: [10.0.0.0/8, 10.0.0.0/40]
  tls: {cert_file: /nonexistent}
auth:
  jwt:
    keys:
      - {kid: a, secret: {value: short}}
      - {kid: a, algorithm: rs256}
  api_keys:
    - {id: a.b, sha256: 00, user_id: u, roles: [admn]}
roles:
  admin: {grants: [{action: room:destroy, pattern: "*"}]}
rooms:
  patterns:
    - {pattern: "a b"}
  rooms:
    - {room_id: x}
    - {room_id: x, metadata: {created_at: now}}
grpc: {keepalive_time: 5s}
admin: {listen: "127.0.0.1:8001"}
targets: [all, edge]
)"),
      ::testing::UnorderedElementsAre(
          "F:2:3: edge.max_connections: must be at least 1",
          "F:3:3: edge.heartbeat_interval: must be at most 1h",
          HasSubstr("edge.blocked_networks[1]: `10.0.0.0/40` is neither an IP address"),
          "F:5:3: edge.tls: needs both cert_file and key_file",
          "F:5:9: edge.tls.cert_file: cannot read /nonexistent: No such file or directory",
          "F:9:18: auth.jwt.keys[0].secret: must have 32 bytes or more",
          "F:10:10: auth.jwt.keys[1].kid: `a` is used twice",
          "F:10:18: auth.jwt.keys[1].algorithm: rs256 is not supported yet; hs256 is",
          "F:12:8: auth.api_keys[0].id: must not hold a dot, which ends it in a key",
          "F:12:17: auth.api_keys[0].sha256: `00` is not 64 hexadecimal digits",
          "F:12:49: auth.api_keys[0].roles[0]: `admn` is no role that `roles` defines; did you "
          "mean admin?",
          HasSubstr("F:14:20: roles.admin.grants[0]: "),
          HasSubstr("F:17:8: rooms.patterns[0].pattern: `a b` is not"),
          "F:20:8: rooms.rooms[1].room_id: `x` is used twice",
          "F:20:20: rooms.rooms[1].metadata: must not hold created_at, which is a key of the room",
          "F:21:8: grpc.keepalive_time: must not be less than min_ping_interval, or peers refuse "
          "pings",
          "F:22:9: admin.listen: 127.0.0.1:8001 is taken by grpc.listen",
          "F:23:1: targets: all stands for every role and goes alone"));
}

TEST_F(LoaderTest, BackendsMayNotTakeNamesThatAreTaken) {
  EXPECT_THAT(ErrorsIn(R"(backends:
  shop:
    addresses: ["127.0.0.1:1"]
    services:
      - {service: shop.v1.Orders, prefix: orders}
      - {service: covet.rooms.v1.RoomService}
      - {service: shop.v1.Rooms, prefix: rooms}
  twin:
    addresses: ["127.0.0.1:2"]
    services:
      - {service: shop.v1.Orders, prefix: twin}
  rpc:
    addresses: ["127.0.0.1:3"]
)"),
              ::testing::UnorderedElementsAre(
                  "F:6:10: backends.shop.services[1].service: is a name of Covet's own services",
                  "F:7:34: backends.shop.services[2].prefix: `rooms` is for Covet's own methods",
                  "F:11:10: backends.twin.services[0].service: `shop.v1.Orders` is offered by "
                  "backends.shop already",
                  HasSubstr("backends.rpc: is the name of a role, which metrics use")));
}

TEST_F(LoaderTest, ADirectoryIsNoFile) {
  EXPECT_THAT(Errors({.file = "/"}), ElementsAre("cannot read /: Is a directory"));
  EXPECT_THAT(ErrorsIn(R"(auth:
  jwt:
    keys:
      - {kid: a, secret: {file: /}}
edge:
  tls: {cert_file: /, key_file: /}
)"),
              ::testing::UnorderedElementsAre(HasSubstr("cannot read /: Is a directory"),
                                              HasSubstr("cert_file: cannot read /: Is a dir"),
                                              HasSubstr("key_file: cannot read /: Is a dir")));
}

TEST_F(LoaderTest, ClientsOfTheEdgeAreNotAskedForCertificates) {
  const std::string pem = Write("");
  EXPECT_THAT(Errors({.sets = {"edge.tls={cert_file: " + pem + ", key_file: " + pem +
                               ", ca_file: " + pem + "}"}}),
              ElementsAre(HasSubstr("edge.tls.ca_file: is for grpc.tls")));
}

TEST_F(LoaderTest, StaticFilesNeedAPathAndADirectory) {
  const std::string folder = testing::TempDir();
  EXPECT_THAT(Errors({.sets = {"edge.static_files=[{path: /, directory: " + folder +
                               "}, {path: /a/b-c_1.~/, directory: " + folder + "}]"}}),
              IsEmpty());
  EXPECT_THAT(
      Errors({.sets = {"edge.static_files=[{path: a/, directory: " + folder +
                       "}, {path: /a, directory: " + folder + "}, {path: //, directory: " + folder +
                       "}, {path: /../, directory: " + folder + "}, {path: /a b/, directory: " +
                       folder + "}, {path: /x/, directory: /nonexistent}, {path: /x/, directory: " +
                       folder + "}, {path: /y/}]"}}),
      ElementsAre(
          HasSubstr("edge.static_files[7].directory: must not be empty"),
          HasSubstr("edge.static_files[0].path: `a/` is neither `/` nor of the form `/name/`"),
          HasSubstr("edge.static_files[1].path: `/a` is neither"),
          HasSubstr("edge.static_files[2].path: `//` is neither"),
          HasSubstr("edge.static_files[3].path: `/../` is neither"),
          HasSubstr("edge.static_files[4].path: `/a b/` is neither"),
          HasSubstr("edge.static_files[5].directory: cannot read /nonexistent"),
          HasSubstr("edge.static_files[6].path: `/x/` is used twice")));
}

TEST_F(LoaderTest, ASplitDeploymentNeedsAClusterKeyAndRooms) {
  EXPECT_THAT(Errors({.targets = {"edge"}}),
              ElementsAre(HasSubstr("peers.cluster_key: needs one of value, env or file"),
                          HasSubstr("peers.rooms: must say where the rooms service is")));
}

TEST_F(LoaderTest, PrintedConfigurationReadsBackTheSameAndHidesSecrets) {
  const std::string text = R"(
edge: {max_connections: 77, drain_delay: 1500ms, allowed_origins: ["*"]}
auth: {jwt: {keys: [{kid: "1", secret: {value: s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t}}]}}
roles: {b: {grants: [{action: room:read, pattern: "*"}]}, a: {}}
rooms: {rooms: [{room_id: r, metadata: {n: "1", m: 2.5, l: [null, true]}, created_at: 2025-09-01T10:00:00Z}]}
limits: {uploads: 3/250ms}
)";
  auto config = LoadText(text);
  ASSERT_TRUE(config.ok()) << config.status();
  const std::string printed = PrintYaml(*config);
  EXPECT_THAT(printed, Not(HasSubstr("s3cr3t")));
  EXPECT_THAT(printed, HasSubstr("value: \"***\""));
  EXPECT_THAT(printed, HasSubstr("max_message_bytes: 1MiB"));
  EXPECT_THAT(printed, HasSubstr("drain_delay: 1500ms"));
  config->mutable_auth()->mutable_jwt()->mutable_keys(0)->mutable_secret()->set_value(
      std::string(32, 'x'));
  std::string with_secret = printed;
  with_secret.replace(with_secret.find("\"***\""), 5, std::string(32, 'x'));
  const auto again = LoadText(with_secret);
  ASSERT_TRUE(again.ok()) << again.status() << printed;
  google::protobuf::util::MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(*config, *again)) << difference << printed;
}

TEST_F(LoaderTest, ReloadTakesWhatCanChangeAndKeepsTheRest) {
  const auto current =
      LoadText("edge: {listen: \"127.0.0.1:1\", max_connections: 10}\nlimits: {messages: 1/s}\n");
  ASSERT_TRUE(current.ok());
  const std::string file = Write(
      "edge: {listen: \"127.0.0.1:2\", max_connections: 20, tls: {}}\nlimits: {messages: 2/s}\n"
      "roles: {a: {}}\nrooms: {patterns: [{pattern: x}], lease: 11s}\n");
  const auto reloaded = Reload({.file = file}, *current);
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  EXPECT_THAT(
      reloaded->changes.reloaded,
      ElementsAre("edge.max_connections", "limits.messages.count", "roles", "rooms.patterns"));
  EXPECT_THAT(reloaded->changes.need_restart, ElementsAre("edge.listen", "rooms.lease"));
  EXPECT_EQ(reloaded->config->edge().listen(), "127.0.0.1:1");
  EXPECT_EQ(reloaded->config->edge().max_connections(), 20);
  EXPECT_EQ(reloaded->config->limits().messages().count(), 2);
  EXPECT_EQ(Millis(reloaded->config->rooms().lease()), 10000);
  EXPECT_EQ(reloaded->config->rooms().patterns_size(), 1);

  const auto same = Reload({.file = file}, *reloaded->config);
  EXPECT_THAT(same->changes.reloaded, IsEmpty());
}

TEST_F(LoaderTest, ReloadOfABrokenFileChangesNothing) {
  const auto current = LoadText("");
  EXPECT_FALSE(Reload({.file = Write("x: 1\n")}, *current).ok());
}

TEST_F(LoaderTest, SourcesOfStreams) {
  const auto config = LoadText(R"(
databases:
  main: {host: db.example, database: app}
backends:
  shop:
    addresses: ["localhost:7000"]
    services: [{service: shop.v1.Orders, prefix: orders}, {service: shop.v1.Prices}]
streams:
  resources:
    - {type: metrics, id: db_conn_123, host: {database: main}}
    - {type: database_changes, id: "Shop.Tables-1", database_changes: {database: main, tables: [orders, s.t]}}
    - {type: logs, id: app, log_file: {path: /var/log/app*.log}}
    - {type: events, id: watch, backend_stream: {backend: shop, method: orders.watch_orders, filter_fields: [city]}}
    - {type: events, id: prices, backend_stream: {backend: shop, method: shop.v1.Prices/Follow, request: {n: [1, {x: y}]}}}
)");
  ASSERT_TRUE(config.ok()) << config.status();
  const auto& changes = config->streams().resources(1);
  EXPECT_EQ(PublicationOf(changes), "covet_shop_tables_1");
  EXPECT_EQ(SlotOf(changes), "covet_shop_tables_1");
  EXPECT_EQ(config->streams().resources(2).log_file().max_line_bytes(), 32 << 10);
}

TEST_F(LoaderTest, SourcesThatCannotWorkAreRefused) {
  EXPECT_THAT(
      ErrorsIn(R"(
databases:
  main: {host: db.example, database: app}
backends:
  shop:
    addresses: ["localhost:7000"]
    services: [{service: shop.v1.Orders, prefix: orders}]
streams:
  resources:
    - {type: rows, id: a}
    - {type: logs, id: b, host: {database: other}}
    - {type: database_changes, id: c, database_changes: {database: main, slot: one}}
    - {type: database_changes, id: c, database_changes: {database: main, slot: one, tables: [s.]}}
    - {type: database_changes, id: d, database_changes: {database: main, slot: One}}
    - {type: logs, id: e, log_file: {path: var/log}}
    - {type: logs, id: f, log_file: {path: /var/*/log}}
    - {type: events, id: g, backend_stream: {backend: bank, method: a.b}}
    - {type: events, id: h, backend_stream: {backend: shop, method: carts.watch}}
)"),
      ElementsAre(
          HasSubstr("streams.resources[0].type: `rows` is none of metrics, logs, events, "
                    "database_changes"),
          HasSubstr("streams.resources[1].host: is for `type: metrics`"),
          HasSubstr("streams.resources[1].host.database: `other` is not in `databases`"),
          HasSubstr("streams.resources[3].id: `c` is used twice for database_changes"),
          HasSubstr(
              "streams.resources[3].database_changes.slot: `one` is used by another resource"),
          HasSubstr("streams.resources[3].database_changes.tables[0]: `s.` must be"),
          HasSubstr("streams.resources[4].database_changes.slot: `One` must be [a-z0-9_]{1,63}"),
          HasSubstr("streams.resources[5].log_file.path: `var/log` must be the absolute path"),
          HasSubstr("streams.resources[6].log_file.path: may have a pattern in its last part only"),
          HasSubstr("streams.resources[7].backend_stream.backend: `bank` is not in `backends`"),
          HasSubstr("streams.resources[8].backend_stream.method: `carts.watch` belongs to no "
                    "service of `backends.shop`")));
}

}  // namespace
}  // namespace covet::config
