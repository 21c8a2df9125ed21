#include "common/policy/action.h"

#include <array>
#include <string>

#include "absl/strings/str_cat.h"

namespace covet::policy {
namespace {

constexpr std::array<std::string_view, kActionCount> kNames = {
    "room:read", "room:write",  "room:manage", "stream:read", "stream:publish",
    "rpc:call",  "file:upload", "file:read",   "notify:send"};

}  // namespace

std::string_view ActionName(Action action) { return kNames[static_cast<size_t>(action)]; }

std::optional<ActionMask> ParseActions(std::string_view name) {
  if (name == "*") return kAllActions;
  for (int i = 0; i < kActionCount; ++i) {
    if (kNames[i] == name) return MaskOf(static_cast<Action>(i));
  }
  return std::nullopt;
}

std::optional<covet::common::v1::Grant> ParseGrant(std::string_view text) {
  // An action holds one colon, `*` none; what follows the next colon is the pattern, colons
  // included.
  size_t end = text.find(':');
  if (end != std::string_view::npos && text.substr(0, end) != "*") end = text.find(':', end + 1);
  covet::common::v1::Grant grant;
  grant.set_action(std::string(text.substr(0, end)));
  grant.set_pattern(end == std::string_view::npos ? "*" : std::string(text.substr(end + 1)));
  if (!CheckGrant(grant).ok()) return std::nullopt;
  return grant;
}

absl::Status CheckGrant(const covet::common::v1::Grant& grant) {
  if (!ParseActions(grant.action())) {
    return absl::InvalidArgumentError(absl::StrCat("unknown action \"", grant.action(), "\""));
  }
  if (grant.pattern().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("empty pattern for ", grant.action()));
  }
  if (grant.pattern().size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern for ", grant.action(), " is over ", kMaxPatternBytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace covet::policy
