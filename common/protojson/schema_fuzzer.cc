#include <google/protobuf/descriptor.pb.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/payload/json_scanner.h"
#include "common/protojson/json_schema.h"
#include "common/protojson/schema.h"

// Any bytes as a FileDescriptorSet: refused, or good for all that is asked of a schema.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto schema = covet::protojson::Schema::Build({set.file().begin(), set.file().end()});
  if (!schema.ok()) return 0;
  for (const auto& file : set.file()) {
    const std::string prefix = file.package().empty() ? "" : file.package() + ".";
    for (const auto& message : file.message_type()) {
      const auto* const codec = (*schema)->FindMessage(prefix + message.name());
      if (codec == nullptr) continue;  // Of a second file with the same name.
      std::string wire, json;
      if (codec->JsonToWire("{}", "params", &wire).ok()) {
        if (codec->WireToJson(wire, &json).ok() && !covet::payload::ScanJson(json).ok()) {
          std::abort();
        }
      }
      using covet::protojson::SchemaUse;
      for (const SchemaUse use : {SchemaUse::kParams, SchemaUse::kResult}) {
        if (!covet::payload::ScanJson(covet::protojson::JsonSchemaOf(codec->descriptor(), use), 512)
                 .ok()) {
          std::abort();
        }
      }
    }
  }
  return 0;
}
