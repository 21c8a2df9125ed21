#pragma once

#include <cstdint>

namespace covet {

// Time as the domain sees it; injected, so that simulations own it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since the Unix epoch. May jump; only for what people and logs see.
  virtual int64_t WallMillis() const = 0;
  // Microseconds from an arbitrary start. Never goes back; for intervals and deadlines.
  virtual int64_t SteadyMicros() const = 0;
  int64_t SteadyMillis() const { return SteadyMicros() / 1000; }
};

// The machine's clocks. Never destroyed.
const Clock& SystemClock();

}  // namespace covet
