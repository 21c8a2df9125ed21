#include "common/policy/glob.h"

#include <cstring>

namespace covet::policy {

bool GlobMatch(std::string_view pattern, std::string_view text) {
  const size_t first = pattern.find('*');
  if (first == std::string_view::npos) return pattern == text;

  const std::string_view prefix = pattern.substr(0, first);
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  pattern.remove_prefix(first + 1);

  // The pieces between stars are found leftmost, which leaves the most for those that follow: no
  // choice is ever taken back. memmem is glibc's two-way search, linear even for `aaaab` in
  // `aaaa…`.
  for (;;) {
    const size_t star = pattern.find('*');
    if (star == std::string_view::npos) break;
    const std::string_view piece = pattern.substr(0, star);
    pattern.remove_prefix(star + 1);
    if (piece.empty()) continue;
    const void* at = memmem(text.data(), text.size(), piece.data(), piece.size());
    if (at == nullptr) return false;
    text.remove_prefix(static_cast<const char*>(at) - text.data() + piece.size());
  }
  return text.size() >= pattern.size() && text.substr(text.size() - pattern.size()) == pattern;
}

}  // namespace covet::policy
