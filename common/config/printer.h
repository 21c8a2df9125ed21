#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace covet::config {

// The configuration as YAML that the loader reads back to the same message. Secrets are printed as
// `***` and are the one thing that does not come back.
std::string PrintYaml(const google::protobuf::Message& message);

}  // namespace covet::config
