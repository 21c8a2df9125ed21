#pragma once

#include <string>

#include "covet/config/v1/options.pb.h"

namespace covet::config {

// What is wrong with `text` as this format, e.g. `is not an address such as 0.0.0.0:8000`; empty if
// nothing is. FORMAT_ROLE needs the configuration and is not checked here.
std::string CheckFormat(v1::Format format, const std::string& text);

// The host and port of `host:port` or `[v6]:port`; false if `text` is neither. The host is without
// brackets.
bool SplitAddress(const std::string& text, std::string* host, int* port);

}  // namespace covet::config
