#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/protojson/message_codec.h"

namespace covet::protojson {

namespace internal {
struct EnumTable;
struct MessageTable;
}  // namespace internal

// Bounds on what a stranger may hand us as descriptors.
struct SchemaLimits {
  size_t max_files = 2'000;
  size_t max_bytes = size_t{16} << 20;  // Of all files, serialized.
};

// The message types and services of a set of .proto files, each message compiled into a codec.
// Immutable and thread-safe. Codecs and descriptors live as long as their schema.
class Schema {
 public:
  // From files in any order, which must hold everything they import; the same file may come twice.
  // INVALID_ARGUMENT, naming the file, for descriptors that Protobuf refuses: missing or circular
  // imports, unknown types, clashing names; RESOURCE_EXHAUSTED beyond `limits`. Takes
  // milliseconds for thousands of messages: not for a gRPC thread.
  static absl::StatusOr<std::shared_ptr<const Schema>> Build(
      const std::vector<google::protobuf::FileDescriptorProto>& files,
      const SchemaLimits& limits = {});

  ~Schema();
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

  // By full name, `package.Message`; null if there is none.
  const MessageCodec* FindMessage(std::string_view full_name) const;
  const google::protobuf::ServiceDescriptor* FindService(std::string_view full_name) const;
  // The same for the same files, whatever their order.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  Schema();
  absl::Status Load(const std::vector<google::protobuf::FileDescriptorProto>& files);
  void Compile();

  google::protobuf::DescriptorPool pool_;
  std::vector<const google::protobuf::FileDescriptor*> files_;
  std::vector<std::unique_ptr<internal::MessageTable>> tables_;
  std::vector<std::unique_ptr<internal::EnumTable>> enums_;
  absl::flat_hash_map<std::string_view, MessageCodec> codecs_;
  uint64_t fingerprint_ = 0;
};

}  // namespace covet::protojson
