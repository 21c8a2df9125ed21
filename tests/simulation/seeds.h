#pragma once

#include <cstdint>
#include <cstdlib>

namespace covet::sim {

// The seeds of a test: SIM_SEEDS=n tries n of them instead of `otherwise`, SIM_SEED=n
// that one alone.
struct Seeds {
  explicit Seeds(uint64_t otherwise) : count(FromEnvironment("SIM_SEEDS", otherwise)) {
    if (std::getenv("SIM_SEED") == nullptr) return;
    first = FromEnvironment("SIM_SEED", 1);
    count = 1;
  }

  uint64_t first = 1;
  uint64_t count;

 private:
  static uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
  }
};

}  // namespace covet::sim
