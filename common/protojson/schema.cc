#include "common/protojson/schema.h"

#include <map>

#include "absl/status/status.h"
#include "common/protojson/compile.h"
#include "common/protojson/message_table.h"
#include "common/protojson/text.h"

namespace covet::protojson {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;

// Keeps the first of what Protobuf finds wrong.
class FirstError final : public DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& filename, const std::string& element,
                const google::protobuf::Message*, ErrorLocation,
                const std::string& message) override {
    if (text_.empty()) text_ = internal::Concat(filename, ": ", element, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// FNV-1a: the same in every process.
uint64_t Fnv1a(std::string_view bytes, uint64_t hash) {
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return hash;
}

struct PendingFile {
  const FileDescriptorProto* proto;
  int next_import = 0;
};

}  // namespace

Schema::Schema() = default;
Schema::~Schema() = default;

absl::StatusOr<std::shared_ptr<const Schema>> Schema::Build(
    const std::vector<FileDescriptorProto>& files, const SchemaLimits& limits) {
  if (files.size() > limits.max_files) {
    return absl::ResourceExhaustedError(
        internal::Concat("more than ", std::to_string(limits.max_files), " descriptor files"));
  }
  size_t bytes = 0;
  for (const FileDescriptorProto& file : files) {
    bytes += file.ByteSizeLong();
    if (bytes > limits.max_bytes) {
      return absl::ResourceExhaustedError(internal::Concat(
          "descriptors of more than ", std::to_string(limits.max_bytes), " bytes"));
    }
  }
  std::shared_ptr<Schema> schema(new Schema());
  if (absl::Status status = schema->Load(files); !status.ok()) return status;
  schema->Compile();
  return schema;
}

absl::Status Schema::Load(const std::vector<FileDescriptorProto>& files) {
  std::map<std::string_view, const FileDescriptorProto*> by_name;
  for (const FileDescriptorProto& file : files) by_name.emplace(file.name(), &file);
  constexpr uint64_t kFnvBasis = 0xCBF29CE484222325;
  fingerprint_ = kFnvBasis;
  for (const auto& [name, file] : by_name) {
    fingerprint_ = Fnv1a(file->SerializeAsString(), fingerprint_);
  }
  // Imports first, without recursion: files may import each other in a chain of any length.
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  absl::flat_hash_map<std::string_view, Mark> marks;
  std::vector<PendingFile> stack;
  for (const auto& [name, root] : by_name) {
    if (marks[name] == Mark::kDone) continue;
    stack.push_back({root});
    marks[name] = Mark::kOpen;
    while (!stack.empty()) {
      PendingFile& top = stack.back();
      const FileDescriptorProto& proto = *top.proto;
      if (top.next_import < proto.dependency_size()) {
        const std::string& import = proto.dependency(top.next_import++);
        const auto found = by_name.find(import);
        if (found == by_name.end()) {
          return absl::InvalidArgumentError(
              internal::Concat(proto.name(), ": the import ", import, " is missing"));
        }
        Mark& mark = marks[found->first];
        if (mark == Mark::kOpen) {
          return absl::InvalidArgumentError(
              internal::Concat(proto.name(), ": imports itself through ", import));
        }
        if (mark == Mark::kNew) {
          mark = Mark::kOpen;
          stack.push_back({found->second});
        }
        continue;
      }
      FirstError error;
      const FileDescriptor* const file = pool_.BuildFileCollectingErrors(proto, &error);
      if (file == nullptr) {
        return absl::InvalidArgumentError(error.text().empty()
                                              ? internal::Concat(proto.name(), ": not a descriptor")
                                              : error.text());
      }
      files_.push_back(file);
      marks[proto.name()] = Mark::kDone;
      stack.pop_back();
    }
  }
  return absl::OkStatus();
}

void Schema::Compile() {
  internal::Compiler compiler(this);
  for (const FileDescriptor* file : files_) compiler.AddFile(*file);
  tables_ = compiler.TakeMessages();
  enums_ = compiler.TakeEnums();
  for (const auto& table : tables_) {
    codecs_.emplace(table->descriptor->full_name(), MessageCodec(table.get()));
  }
}

const MessageCodec* Schema::FindMessage(std::string_view full_name) const {
  const auto it = codecs_.find(full_name);
  return it == codecs_.end() ? nullptr : &it->second;
}

const google::protobuf::ServiceDescriptor* Schema::FindService(std::string_view full_name) const {
  return pool_.FindServiceByName(std::string(full_name));
}

}  // namespace covet::protojson
