#include "common/backends/descriptor_set.h"

#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/backends/method_table.h"
#include "common/base/read_file.h"
#include "common/config/config.h"
#include "common/protojson/schema.h"

namespace covet::backends {
namespace {

using Fail = std::function<void(const std::string& key, const std::string& what)>;

// Null, having failed, if there is none.
std::shared_ptr<const MethodTable> TableOf(const std::string& key,
                                           const config::v1::BackendConfig& backend,
                                           const Fail& fail) {
  const auto files = ReadDescriptorSet(backend.descriptor_set());
  absl::Status status = files.status();
  if (status.ok()) {
    auto schema = protojson::Schema::Build(*files);
    if (schema.ok()) return std::make_shared<MethodTable>(backend, *std::move(schema), 1);
    status = schema.status();
  }
  fail(absl::StrCat(key, ".descriptor_set"), std::string(status.message()));
  return nullptr;
}

void CheckStreams(const config::v1::Config& config,
                  const std::map<std::string, std::shared_ptr<const MethodTable>>& tables,
                  const Fail& fail) {
  for (int i = 0; i < config.streams().resources_size(); ++i) {
    const config::v1::StreamResourceConfig& resource = config.streams().resources(i);
    if (!resource.has_backend_stream()) continue;
    const auto table = tables.find(resource.backend_stream().backend());
    if (table == tables.end()) continue;  // Its methods are known when it is asked.
    const std::string& name = resource.backend_stream().method();
    const Method* const method = table->second->Find(name);
    const std::string key = absl::StrCat("streams.resources[", i, "].backend_stream.method");
    if (method == nullptr) {
      fail(key, absl::StrCat("the descriptor set has no method ", name));
    } else if (!method->server_streaming || method->client_streaming) {
      fail(key, absl::StrCat(name, " is no server-streaming method"));
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<google::protobuf::FileDescriptorProto>> ReadDescriptorSet(
    const std::string& path) {
  const absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromString(*bytes)) {
    return absl::InvalidArgumentError(path + " is not a FileDescriptorSet");
  }
  return std::vector<google::protobuf::FileDescriptorProto>(set.file().begin(), set.file().end());
}

void CheckDescriptorSets(const config::v1::Config& config, const Fail& fail) {
  if (!config::RunsRole(config, "rpc") && !config::RunsRole(config, "streams")) return;
  std::map<std::string, std::shared_ptr<const MethodTable>> tables;
  std::map<std::string, std::string> callable;  // By whom.
  for (const auto& [name, backend] : std::map<std::string, config::v1::BackendConfig>(
           config.backends().begin(), config.backends().end())) {
    if (backend.descriptor_set().empty()) continue;
    const std::string key = absl::StrCat("backends.", name);
    std::shared_ptr<const MethodTable> table = TableOf(key, backend, fail);
    if (table == nullptr) continue;
    for (const std::string& missing : table->missing()) {
      fail(absl::StrCat(key, ".services"), absl::StrCat("the descriptor set lacks ", missing));
    }
    for (const Method& method : table->methods()) {
      if (!method.unary() || method.rpc_name.empty()) continue;
      const auto [taken, added] = callable.emplace(method.rpc_name, method.name);
      if (added) continue;
      fail(absl::StrCat(key, ".services"),
           absl::StrCat(method.name, " and ", taken->second, " would both be ", method.rpc_name));
    }
    tables.emplace(name, std::move(table));
  }
  CheckStreams(config, tables, fail);
}

}  // namespace covet::backends
