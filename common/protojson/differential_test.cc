// Holds the codec against Protobuf's own JSON functions, on random messages of every kind of field.

#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "common/payload/json_scanner.h"
#include "common/protojson/message_codec.h"
#include "common/protojson/schema.h"
#include "common/protojson/testing/random_message.h"
#include "common/protojson/testing/test_schema.h"

namespace covet::protojson {
namespace {

using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

constexpr int kMessages = 3'000;
constexpr int kDepth = 4;

class DifferentialTest : public ::testing::Test {
 protected:
  DifferentialTest() : schema_(testing::TestSchema()), factory_(&pool_) {
    std::vector<google::protobuf::FileDescriptorProto> files = testing::TestFiles();
    for (const auto& file : files) EXPECT_NE(pool_.BuildFile(file), nullptr) << file.name();
  }

  std::unique_ptr<Message> New(const std::string& name) {
    return std::unique_ptr<Message>(
        factory_.GetPrototype(pool_.FindMessageTypeByName(name))->New());
  }
  std::unique_ptr<Message> Parse(const std::string& name, const std::string& wire) {
    auto message = New(name);
    EXPECT_TRUE(message->ParseFromString(wire));
    return message;
  }
  std::string ToJson(const std::string& name, const std::string& wire) {
    std::string json;
    const absl::Status status = schema_->FindMessage(name)->WireToJson(wire, &json);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(payload::ScanJson(json).ok()) << json;
    return json;
  }
  std::string ToWire(const std::string& name, const std::string& json) {
    std::string wire;
    const absl::Status status = schema_->FindMessage(name)->JsonToWire(json, "params", &wire);
    EXPECT_TRUE(status.ok()) << status << "\n" << json;
    return wire;
  }
  // Anys hold bytes whose order of fields is free: compared as what they stand for.
  static bool Equal(const Message& a, const Message& b, std::string* report) {
    MessageDifferencer differencer;
    differencer.ReportDifferencesToString(report);
    return differencer.Compare(a, b);
  }

  google::protobuf::DescriptorPool pool_;
  const std::shared_ptr<const Schema> schema_;
  google::protobuf::DynamicMessageFactory factory_;
};

// Ours reads what Protobuf prints.
TEST_F(DifferentialTest, ReadsWhatProtobufPrints) {
  for (int i = 0; i < kMessages; ++i) {
    testing::RandomMessage random(static_cast<uint64_t>(i));
    const auto message = New("test.EveryKind");
    random.Fill(message.get(), kDepth);
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = i % 2 == 0;
    options.always_print_primitive_fields = i % 3 == 0;
    options.always_print_enums_as_ints = i % 5 == 0;
    options.add_whitespace = i % 7 == 0;
    std::string json;
    ASSERT_TRUE(google::protobuf::util::MessageToJsonString(*message, &json, options).ok()) << i;
    const auto read = Parse("test.EveryKind", ToWire("test.EveryKind", json));
    std::string report;
    ASSERT_TRUE(Equal(*message, *read, &report)) << "seed " << i << "\n" << report << json;
  }
}

// Protobuf reads what ours prints.
TEST_F(DifferentialTest, PrintsWhatProtobufReads) {
  for (int i = 0; i < kMessages; ++i) {
    testing::RandomMessage random(static_cast<uint64_t>(1'000'000 + i));
    const auto message = New("test.EveryKind");
    random.Fill(message.get(), kDepth);
    const std::string json = ToJson("test.EveryKind", message->SerializeAsString());
    const auto read = New("test.EveryKind");
    const auto status = google::protobuf::util::JsonStringToMessage(json, read.get());
    ASSERT_TRUE(status.ok()) << "seed " << i << " " << status.message() << "\n" << json;
    std::string report;
    ASSERT_TRUE(Equal(*message, *read, &report)) << "seed " << i << "\n" << report << json;
  }
}

// Ours reads what ours prints, proto2 with its groups too.
TEST_F(DifferentialTest, ReadsWhatItPrints) {
  for (const std::string name : {"test.EveryKind", "test.legacy.Legacy", "test.Nested"}) {
    for (int i = 0; i < kMessages; ++i) {
      testing::RandomMessage random(static_cast<uint64_t>(2'000'000 + i));
      const auto message = New(name);
      random.Fill(message.get(), kDepth);
      const std::string json = ToJson(name, message->SerializeAsString());
      const std::string wire = ToWire(name, json);
      const auto read = Parse(name, wire);
      std::string report;
      ASSERT_TRUE(Equal(*message, *read, &report)) << "seed " << i << "\n" << report << json;
      ASSERT_EQ(ToJson(name, wire), json);
    }
  }
}

// Messages whose fields come in pieces and in any order read as Protobuf merges them.
TEST_F(DifferentialTest, MergesAsProtobufDoes) {
  for (int i = 0; i < kMessages; ++i) {
    std::string wire;
    for (uint64_t piece = 0; piece < 3; ++piece) {
      testing::RandomMessage random(3'000'000 + static_cast<uint64_t>(i) * 3 + piece);
      const auto message = New("test.Nested");
      random.Fill(message.get(), kDepth);
      wire += message->SerializeAsString();
    }
    const auto merged = Parse("test.Nested", wire);
    EXPECT_EQ(ToJson("test.Nested", wire), ToJson("test.Nested", merged->SerializeAsString()));
  }
}

}  // namespace
}  // namespace covet::protojson
