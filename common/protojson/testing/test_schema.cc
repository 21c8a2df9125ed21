#include "common/protojson/testing/test_schema.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

namespace covet::protojson::testing {
namespace {

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
}

}  // namespace

std::vector<google::protobuf::FileDescriptorProto> TestFiles() {
  std::ifstream in(COVET_TEST_PROTOSET, std::ios::binary);
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromIstream(&in)) Die("cannot read " COVET_TEST_PROTOSET);
  return {set.file().begin(), set.file().end()};
}

std::shared_ptr<const Schema> TestSchema() {
  auto schema = Schema::Build(TestFiles());
  if (!schema.ok()) Die(std::string(schema.status().message()));
  return *std::move(schema);
}

}  // namespace covet::protojson::testing
