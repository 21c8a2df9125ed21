#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/string_map.h"

namespace covet::edge {

// How many sockets of one thread that are not WebSocket connections each client's address holds.
// An address may hold no more than are free: alone it gets half of all, and one that comes new
// still finds a place. Not thread-safe.
class PendingSockets {
 public:
  // Whether this address, in text, may open one more while `free` are.
  bool Allows(std::string_view address, size_t free) const;
  void Add(std::string_view address);
  // Requires an Add.
  void Remove(std::string_view address);

 private:
  // By what limits count by; bounded by the sockets.
  StringMap<size_t> held_;
};

}  // namespace covet::edge
