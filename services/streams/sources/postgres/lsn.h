#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"

namespace covet::streams::postgres {

// A place in PostgreSQL's write-ahead log. 0 is no place.
using Lsn = uint64_t;

// As PostgreSQL writes it, e.g. 0/16B3748.
inline std::string LsnText(Lsn lsn) {
  return absl::StrFormat("%X/%X", static_cast<uint32_t>(lsn >> 32), static_cast<uint32_t>(lsn));
}

inline std::optional<Lsn> ParseLsn(std::string_view text) {
  const auto hex = [](std::string_view part) -> std::optional<uint32_t> {
    uint32_t value = 0;
    const auto [end, error] =
        std::from_chars(part.data(), part.data() + part.size(), value, /*base=*/16);
    if (error != std::errc() || end != part.data() + part.size()) return std::nullopt;
    return value;
  };
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto high = hex(text.substr(0, slash));
  const auto low = hex(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return static_cast<Lsn>(*high) << 32 | *low;
}

}  // namespace covet::streams::postgres
