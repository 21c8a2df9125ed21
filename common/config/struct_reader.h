#pragma once

#include "google/protobuf/struct.pb.h"

namespace YAML {
class Node;
}

namespace covet::config {

// A YAML mapping as JSON values. Quoted scalars are texts; plain ones are null, booleans or numbers
// where they look like those in JSON, else texts.
void ReadStruct(const YAML::Node& node, google::protobuf::Struct* out);

}  // namespace covet::config
