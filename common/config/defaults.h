#pragma once

#include "google/protobuf/message.h"

namespace covet::config {

// Fills every field of `message`, which is empty, with its declared default, sections below it too.
// The only place where defaults come from. A default that cannot be read ends the process: it is a
// bug.
void ApplyDefaults(google::protobuf::Message* message);

}  // namespace covet::config
