#pragma once

#include "edge/transport/counters.h"

namespace covet::edge {

// What one thread's uploads have done. That thread writes, any may read.
struct UploadCounters {
  Counter open;  // A gauge.
  Counter chunks;
  Counter chunk_bytes;
  Counter windows_full;  // Times that a socket was not read because its window was full.
  Counter streams_broken;
};

}  // namespace covet::edge
