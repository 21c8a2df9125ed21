#pragma once

#include <string>

#include "edge/transport/http.h"

namespace covet::edge {

// The response's bytes, HTTP/1.1. `head_only` answers a HEAD request.
std::string SerializeResponse(const HttpResponse& response, bool head_only, bool keep_alive);

}  // namespace covet::edge
