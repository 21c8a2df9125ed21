#pragma once

#include <string_view>

namespace covet::server {

// Tells the service manager how the process is, as sd_notify(3) does: "READY=1", "STOPPING=1". Does
// nothing where NOTIFY_SOCKET names no socket, and nothing if the manager cannot be told.
void TellServiceManager(std::string_view state);

}  // namespace covet::server
