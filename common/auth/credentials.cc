#include "common/auth/credentials.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/base/string_map.h"
#include "common/errors/error.h"

namespace covet::auth {
namespace {

constexpr std::string_view kBearerProtocol = "bearer.";

std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 3986 section 2.1. A `+` stays one: no credential holds a space.
std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Gathers what the forms hold and notices when they disagree.
class Collector {
 public:
  explicit Collector(UpgradeCredentials* out) : out_(out) {}

  void Token(std::string_view value) { Take(value, &out_->credentials.token); }
  void ApiKey(std::string_view value) { Take(value, &out_->credentials.api_key); }
  void Fail(std::string_view message) {
    if (out_->status.ok()) out_->status = MakeError(ErrorCode::kAuthFailed, message);
  }
  void Finish() {
    if (!out_->credentials.token.empty() && !out_->credentials.api_key.empty()) Disagree();
  }

 private:
  void Take(std::string_view value, std::string* slot) {
    if (value.empty()) return;
    if (!slot->empty() && *slot != value) return Disagree();
    *slot = value;
  }
  void Disagree() { Fail("two different credentials"); }

  UpgradeCredentials* out_;
};

}  // namespace

std::string_view BearerToken(std::string_view authorization) {
  const absl::string_view text = absl::StripAsciiWhitespace(ToAbsl(authorization));
  if (!absl::StartsWithIgnoreCase(text, "bearer ")) return {};
  return ToStd(absl::StripAsciiWhitespace(text.substr(7)));
}

UpgradeCredentials ExtractCredentials(const UpgradeRequest& request) {
  UpgradeCredentials out;
  Collector collect(&out);
  for (const absl::string_view pair : absl::StrSplit(ToAbsl(request.query), '&')) {
    const size_t equals = pair.find('=');
    if (equals == absl::string_view::npos) continue;
    const auto name = PercentDecode(ToStd(pair.substr(0, equals)));
    if (!name || (*name != "token" && *name != "api_key")) continue;
    const auto value = PercentDecode(ToStd(pair.substr(equals + 1)));
    if (!value) {
      collect.Fail("bad percent-encoding of a credential");
    } else if (*name == "token") {
      collect.Token(*value);
    } else {
      collect.ApiKey(*value);
    }
  }
  for (const std::string_view header : request.authorization) collect.Token(BearerToken(header));
  for (const std::string_view header : request.api_key) {
    collect.ApiKey(ToStd(absl::StripAsciiWhitespace(ToAbsl(header))));
  }
  for (const std::string_view header : request.subprotocols) {
    for (absl::string_view item : absl::StrSplit(ToAbsl(header), ',')) {
      const std::string_view protocol = ToStd(absl::StripAsciiWhitespace(item));
      if (protocol == kSubprotocol) out.subprotocol = kSubprotocol;
      if (protocol.substr(0, kBearerProtocol.size()) == kBearerProtocol) {
        collect.Token(protocol.substr(kBearerProtocol.size()));
      }
    }
  }
  collect.Finish();
  return out;
}

}  // namespace covet::auth
