#include <google/protobuf/dynamic_message.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "common/payload/json_scanner.h"
#include "common/protojson/message_codec.h"
#include "common/protojson/schema.h"
#include "common/protojson/testing/test_schema.h"

// The first byte chooses the message type and the direction, the rest is JSON text or wire bytes.
// What is accepted must hold to what the header promises.
namespace {

using covet::protojson::MessageCodec;

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Fixture {
  Fixture() : factory(&pool) {
    for (const auto& file : covet::protojson::testing::TestFiles()) pool.BuildFile(file);
  }
  bool Parses(const MessageCodec& codec, const std::string& wire) {
    const auto* const type = pool.FindMessageTypeByName(codec.descriptor().full_name());
    const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(type)->New());
    return message->ParsePartialFromString(wire);
  }
  const std::shared_ptr<const covet::protojson::Schema> schema =
      covet::protojson::testing::TestSchema();
  google::protobuf::DescriptorPool pool;
  google::protobuf::DynamicMessageFactory factory;
};

// Printing fails only over depth: what is always printed may nest one deeper than what was read.
bool Print(const MessageCodec& codec, const std::string& wire, std::string* json) {
  const absl::Status status = codec.WireToJson(wire, json);
  if (status.ok()) {
    Require(covet::payload::ScanJson(*json).ok());
    return true;
  }
  Require(status.message().find("nests deeper") != status.message().npos);
  return false;
}

void FromJson(Fixture& fixture, const MessageCodec& codec, std::string_view json) {
  std::string wire;
  if (!codec.JsonToWire(json, "params", &wire).ok()) return;
  Require(fixture.Parses(codec, wire));
  std::string printed;
  if (!Print(codec, wire, &printed)) return;
  std::string again, printed_again;
  Require(codec.JsonToWire(printed, "params", &again).ok());
  Require(Print(codec, again, &printed_again) && printed == printed_again);
}

void FromWire(const MessageCodec& codec, std::string_view wire) {
  std::string json;
  if (codec.WireToJson(wire, &json).ok()) Require(covet::payload::ScanJson(json).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Fixture fixture;
  static const MessageCodec* const kCodecs[] = {
      fixture.schema->FindMessage("test.EveryKind"),
      fixture.schema->FindMessage("test.legacy.Legacy"),
      fixture.schema->FindMessage("test.Order"),
      fixture.schema->FindMessage("google.protobuf.Struct"),
  };
  if (size == 0) return 0;
  const MessageCodec& codec = *kCodecs[(data[0] >> 1) % 4];
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] & 1) {
    FromWire(codec, rest);
  } else {
    FromJson(fixture, codec, rest);
  }
  return 0;
}
