#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/protojson/message_codec.h"
#include "common/protojson/schema.h"
#include "covet/config/v1/services.pb.h"

namespace covet::backends {

// A method of a backend's configured services. Lives as long as its table.
struct Method {
  std::string name;         // `package.Service/Method`
  std::string path;         // `/package.Service/Method`
  std::string rpc_name;     // `<prefix>.<snake_case>`; empty where the service has no prefix.
  std::string description;  // The comment in its proto, where the descriptors carry it.
  const google::protobuf::MethodDescriptor* descriptor = nullptr;
  protojson::MessageCodec request;
  protojson::MessageCodec response;
  bool client_streaming = false;
  bool server_streaming = false;
  bool idempotent = false;  // By configuration.

  bool unary() const { return !client_streaming && !server_streaming; }
};

// What a backend offers under one schema. Immutable, thread-safe.
class MethodTable {
 public:
  // Services and idempotent methods that the schema lacks are listed in missing(). `generation`
  // grows with each schema of a backend.
  MethodTable(const config::v1::BackendConfig& config,
              std::shared_ptr<const protojson::Schema> schema, uint64_t generation);

  // All of them, streaming ones too, in the order of configuration and source.
  const std::vector<Method>& methods() const { return methods_; }
  // By `rpc_name` or `name`; null if there is none.
  const Method* Find(std::string_view name) const;
  const std::vector<std::string>& missing() const { return missing_; }
  const protojson::Schema& schema() const { return *schema_; }
  uint64_t generation() const { return generation_; }

 private:
  std::shared_ptr<const protojson::Schema> schema_;
  uint64_t generation_;
  std::vector<Method> methods_;
  std::vector<std::string> missing_;
  absl::flat_hash_map<std::string_view, const Method*> by_name_;
};

// The method of a table, keeping the table alive.
using MethodRef = std::shared_ptr<const Method>;
MethodRef RefTo(const std::shared_ptr<const MethodTable>& table, const Method* method);

// `GetHTTPStatus` → `get_http_status`.
std::string SnakeCase(std::string_view method);

}  // namespace covet::backends
