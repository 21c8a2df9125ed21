#pragma once

#include <cstdint>
#include <string_view>

namespace covet {

// Logs are spread over this many slots, each with one owner.
inline constexpr uint32_t kSlots = 1024;

// The slot of a log id: FNV-1a (32 bits) mod kSlots. Stable: it travels in link frames.
constexpr uint32_t SlotOf(std::string_view log_id) {
  uint32_t hash = 2166136261u;
  for (const char c : log_id) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash % kSlots;
}

}  // namespace covet
