#include "common/protojson/schema.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/protojson/testing/test_schema.h"

namespace covet::protojson {
namespace {

using google::protobuf::FileDescriptorProto;

FileDescriptorProto File(const std::string& text) {
  FileDescriptorProto file;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &file));
  return file;
}

std::string Problem(const std::vector<FileDescriptorProto>& files,
                    const SchemaLimits& limits = {}) {
  const auto schema = Schema::Build(files, limits);
  return schema.ok() ? "accepted" : std::string(schema.status().message());
}

TEST(SchemaTest, TakesFilesInAnyOrderAndTwice) {
  std::vector<FileDescriptorProto> files = testing::TestFiles();
  const auto first = Schema::Build(files);
  ASSERT_TRUE(first.ok());
  std::reverse(files.begin(), files.end());
  files.push_back(files.front());
  const auto second = Schema::Build(files);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*first)->fingerprint(), (*second)->fingerprint());
  EXPECT_NE((*second)->FindMessage("test.EveryKind"), nullptr);
  EXPECT_EQ((*second)->FindMessage("test.Nobody"), nullptr);
  EXPECT_EQ((*second)->FindService("test.Nobody"), nullptr);
  files.clear();
  files.emplace_back().set_name("other.proto");
  const auto third = Schema::Build(files);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_NE((*first)->fingerprint(), (*third)->fingerprint());
}

TEST(SchemaTest, RefusesBrokenDescriptors) {
  const FileDescriptorProto a = File(R"pb(name: "a.proto" dependency: "b.proto")pb");
  const FileDescriptorProto b = File(R"pb(name: "b.proto" dependency: "a.proto")pb");
  EXPECT_EQ(Problem({a}), "a.proto: the import b.proto is missing");
  EXPECT_EQ(Problem({a, b}), "b.proto: imports itself through a.proto");
  EXPECT_EQ(Problem({File(R"pb(name: "a.proto" dependency: "a.proto")pb")}),
            "a.proto: imports itself through a.proto");
  EXPECT_NE(Problem({File(R"pb(
              name: "a.proto"
              message_type {
                name: "M"
                field { name: "f" number: 1 type: TYPE_MESSAGE type_name: ".no.Such" }
              })pb")})
                .find("not defined"),
            std::string::npos);
  EXPECT_NE(Problem({File(R"pb(name: "a.proto"
                               message_type { name: "no name" })pb")}),
            "accepted");
  EXPECT_NE(Problem({File(R"pb(
              name: "a.proto"
              message_type {
                name: "M"
                field { name: "f" number: 0 type: TYPE_INT32 }
              })pb")}),
            "accepted");
  EXPECT_NE(Problem({File(R"pb(name: "a.proto"
                               message_type { name: "M" })pb"),
                     File(R"pb(name: "b.proto"
                               message_type { name: "M" })pb")}),
            "accepted");
  EXPECT_NE(Problem({FileDescriptorProto()}), "accepted");
}

TEST(SchemaTest, BoundsWhatItTakes) {
  std::vector<FileDescriptorProto> files;
  for (int i = 0; i < 3; ++i) {
    files.emplace_back().set_name("file_" + std::to_string(i) + ".proto");
  }
  EXPECT_EQ(Problem(files, {.max_files = 2}), "more than 2 descriptor files");
  EXPECT_EQ(Problem(files, {.max_bytes = 20}), "descriptors of more than 20 bytes");
  EXPECT_EQ(Problem(files), "accepted");
}

TEST(SchemaTest, FollowsAChainOfImportsOfAnyLength) {
  std::vector<FileDescriptorProto> files;
  for (int i = 0; i < 1'900; ++i) {
    files.emplace_back().set_name(std::to_string(i) + ".proto");
    if (i > 0) files.back().add_dependency(std::to_string(i - 1) + ".proto");
  }
  EXPECT_EQ(Problem(files), "accepted");
}

// A message that only calls itself a well-known type is a message like any other.
TEST(SchemaTest, DoesNotTrustNames) {
  const auto schema = Schema::Build({File(R"pb(
    name: "google/protobuf/timestamp.proto"
    package: "google.protobuf"
    syntax: "proto3"
    message_type {
      name: "Timestamp"
      field { name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "text" }
    })pb")});
  ASSERT_TRUE(schema.ok()) << schema.status();
  std::string wire, json;
  const MessageCodec* const codec = (*schema)->FindMessage("google.protobuf.Timestamp");
  ASSERT_TRUE(codec->JsonToWire(R"({"text":"now"})", "params", &wire).ok());
  ASSERT_TRUE(codec->WireToJson(wire, &json).ok());
  EXPECT_EQ(json, R"({"text":"now"})");
}

}  // namespace
}  // namespace covet::protojson
