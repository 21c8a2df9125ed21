#pragma once

#include <google/protobuf/descriptor.pb.h>

#include <memory>
#include <vector>

#include "common/protojson/schema.h"

// For tests, fuzzers and benchmarks.
namespace covet::protojson::testing {

// The .proto files of this folder and what they import, with comments.
std::vector<google::protobuf::FileDescriptorProto> TestFiles();
std::shared_ptr<const Schema> TestSchema();

}  // namespace covet::protojson::testing
