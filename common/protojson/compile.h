#pragma once

#include <google/protobuf/descriptor.h>

#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/protojson/message_table.h"

namespace covet::protojson::internal {

// Whether a message has a JSON form of its own.
WellKnown WellKnownOf(const google::protobuf::Descriptor& message);

// Makes the tables of a schema's messages.
class Compiler {
 public:
  explicit Compiler(const Schema* schema) : schema_(schema) {}

  // Every message of the file, nested ones and map entries too.
  void AddFile(const google::protobuf::FileDescriptor& file);

  std::vector<std::unique_ptr<MessageTable>> TakeMessages() { return std::move(messages_); }
  std::vector<std::unique_ptr<EnumTable>> TakeEnums() { return std::move(enums_); }

 private:
  void AddMessage(const google::protobuf::Descriptor& message);
  FieldTable MakeField(const google::protobuf::FieldDescriptor& field);
  // The table of a message, filled now or later.
  MessageTable* TableOf(const google::protobuf::Descriptor* message);
  const EnumTable* TableOf(const google::protobuf::EnumDescriptor* type);

  const Schema* const schema_;
  std::vector<std::unique_ptr<MessageTable>> messages_;
  std::vector<std::unique_ptr<EnumTable>> enums_;
  absl::flat_hash_map<const google::protobuf::Descriptor*, MessageTable*> by_message_;
  absl::flat_hash_map<const google::protobuf::EnumDescriptor*, const EnumTable*> by_enum_;
};

}  // namespace covet::protojson::internal
