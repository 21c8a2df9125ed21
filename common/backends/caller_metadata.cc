#include "common/backends/caller_metadata.h"

#include <algorithm>

namespace covet::backends {
namespace {

bool IsPlain(char c, char separator) { return c > ' ' && c < 0x7F && c != '%' && c != separator; }

// `separator` separates values in a list: 0 where there is none.
void AppendEncoded(std::string* out, std::string_view text, char separator) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  if (std::all_of(text.begin(), text.end(), [&](char c) { return IsPlain(c, separator); })) {
    out->append(text);
    return;
  }
  for (const char c : text) {
    if (IsPlain(c, separator)) {
      out->push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out->push_back('%');
      out->push_back(kHex[byte >> 4]);
      out->push_back(kHex[byte & 15]);
    }
  }
}

}  // namespace

std::string MetadataValue(std::string_view text) {
  std::string out;
  AppendEncoded(&out, text, 0);
  return out;
}

std::vector<std::pair<std::string, std::string>> CallerMetadata(
    const common::v1::Identity& caller) {
  std::vector<std::pair<std::string, std::string>> metadata;
  metadata.reserve(5);
  metadata.emplace_back("covet-user-id", MetadataValue(caller.user_id()));
  if (!caller.session_id().empty()) {
    metadata.emplace_back("covet-session-id", MetadataValue(caller.session_id()));
  }
  if (caller.roles_size() > 0) {
    std::string roles;
    for (const std::string& role : caller.roles()) {
      if (!roles.empty()) roles.push_back(',');
      AppendEncoded(&roles, role, ',');
    }
    metadata.emplace_back("covet-roles", std::move(roles));
  }
  if (caller.service_account()) metadata.emplace_back("covet-service-account", "true");
  return metadata;
}

}  // namespace covet::backends
