// A ten-field message both ways, ours and Protobuf's own JSON functions over DynamicMessage.

#include <benchmark/benchmark.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <string>

#include "common/protojson/message_codec.h"
#include "common/protojson/schema.h"
#include "common/protojson/testing/test_schema.h"

namespace covet::protojson {
namespace {

constexpr char kOrder[] =
    R"({"order_id":"order_7f3a9c21","customer_id":"9007199254740993","total":149.95,)"
    R"("quantity":3,"express":true,"status":"STATUS_OPEN","created_at":"2025-09-10T12:00:00.123Z",)"
    R"("tags":["gift","fragile"],"address":{"street":"1 Main Street","city":"Springfield",)"
    R"("zip":"12345"},"note":"leave it at the door"})";

const MessageCodec& OrderCodec() {
  static const auto schema = testing::TestSchema();
  return *schema->FindMessage("test.Order");
}

std::string OrderWire() {
  std::string wire;
  if (!OrderCodec().JsonToWire(kOrder, "params", &wire).ok()) std::abort();
  return wire;
}

void BM_JsonToWire(benchmark::State& state) {
  const MessageCodec& codec = OrderCodec();
  std::string wire;
  for (auto _ : state) {
    wire.clear();
    benchmark::DoNotOptimize(codec.JsonToWire(kOrder, "params", &wire));
  }
}
BENCHMARK(BM_JsonToWire);

void BM_WireToJson(benchmark::State& state) {
  const MessageCodec& codec = OrderCodec();
  const std::string wire = OrderWire();
  std::string json;
  for (auto _ : state) {
    json.clear();
    benchmark::DoNotOptimize(codec.WireToJson(wire, &json));
  }
}
BENCHMARK(BM_WireToJson);

void BM_BothWays(benchmark::State& state) {
  const MessageCodec& codec = OrderCodec();
  for (auto _ : state) {
    std::string wire, json;
    benchmark::DoNotOptimize(codec.JsonToWire(kOrder, "params", &wire));
    benchmark::DoNotOptimize(codec.WireToJson(wire, &json));
  }
}
BENCHMARK(BM_BothWays);

void BM_BothWaysByProtobuf(benchmark::State& state) {
  google::protobuf::DescriptorPool pool;
  for (const auto& file : testing::TestFiles()) pool.BuildFile(file);
  google::protobuf::DynamicMessageFactory factory(&pool);
  const auto* const prototype = factory.GetPrototype(pool.FindMessageTypeByName("test.Order"));
  for (auto _ : state) {
    const std::unique_ptr<google::protobuf::Message> message(prototype->New());
    std::string json;
    benchmark::DoNotOptimize(
        google::protobuf::util::JsonStringToMessage(kOrder, message.get()).ok());
    benchmark::DoNotOptimize(google::protobuf::util::MessageToJsonString(*message, &json).ok());
  }
}
BENCHMARK(BM_BothWaysByProtobuf);

}  // namespace
}  // namespace covet::protojson
