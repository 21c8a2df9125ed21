#include "services/rpc/own_schema.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "common/logging/log.h"
#include "covet/files/v1/files.pb.h"
#include "covet/rooms/v1/notifications.pb.h"
#include "covet/rooms/v1/rooms.pb.h"
#include "covet/rpc/v1/builtin.pb.h"
#include "covet/streams/v1/streams.pb.h"

namespace covet::rpc {
namespace {

void AddWithImports(const google::protobuf::FileDescriptor& file, std::set<std::string>* known,
                    std::vector<google::protobuf::FileDescriptorProto>* files) {
  if (!known->insert(file.name()).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddWithImports(*file.dependency(i), known, files);
  }
  file.CopyTo(&files->emplace_back());
}

}  // namespace

std::shared_ptr<const protojson::Schema> OwnSchema() {
  std::set<std::string> known;
  std::vector<google::protobuf::FileDescriptorProto> files;
  for (const google::protobuf::Descriptor* message :
       {rooms::v1::Room::descriptor(), rooms::v1::Notification::descriptor(),
        streams::v1::PublishRequest::descriptor(), files::v1::File::descriptor(),
        v1::PingRequest::descriptor()}) {
    AddWithImports(*message->file(), &known, &files);
  }
  auto schema = protojson::Schema::Build(files);
  if (!schema.ok()) {
    // What is compiled in is always good.
    log::Error("own_schema", {{"error", std::string(schema.status().message())}});
    std::abort();
  }
  return *std::move(schema);
}

}  // namespace covet::rpc
