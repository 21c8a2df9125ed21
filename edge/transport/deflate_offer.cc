#include "edge/transport/deflate_offer.h"

#include <absl/strings/numbers.h>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <set>

namespace covet::edge {
namespace {

namespace beast = boost::beast;

constexpr int kFullWindowBits = 15;
// zlib does not deflate with a window of 8 bits.
constexpr int kMinServerWindowBits = 9;
constexpr int kMinClientWindowBits = 8;

std::optional<int> WindowBits(beast::string_view text, int min) {
  int bits = 0;
  if (text.empty() || text.front() == '0' || !absl::SimpleAtoi(std::string(text), &bits))
    return std::nullopt;
  if (bits < min || bits > kFullWindowBits) return std::nullopt;
  return bits;
}

std::optional<DeflateOffer> ReadOffer(const beast::http::param_list& parameters) {
  DeflateOffer offer = {
      .answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"};
  std::set<std::string> seen;
  for (const auto& [name, value] : parameters) {
    std::string lower(name);
    for (char& c : lower) c = beast::detail::ascii_tolower(c);
    if (!seen.insert(lower).second) return std::nullopt;
    if (lower == "server_no_context_takeover" || lower == "client_no_context_takeover") {
      if (!value.empty()) return std::nullopt;
    } else if (lower == "server_max_window_bits") {
      const std::optional<int> bits = WindowBits(value, kMinServerWindowBits);
      if (!bits) return std::nullopt;
      offer.small_server_window = *bits < kFullWindowBits;
      offer.answer += "; server_max_window_bits=" + std::to_string(*bits);
    } else if (lower == "client_max_window_bits") {
      if (!value.empty() && !WindowBits(value, kMinClientWindowBits)) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return offer;
}

}  // namespace

std::optional<DeflateOffer> ChooseDeflateOffer(beast::string_view extensions) {
  for (const auto& [name, parameters] : beast::http::ext_list(extensions)) {
    if (!beast::iequals(name, "permessage-deflate")) continue;
    if (std::optional<DeflateOffer> offer = ReadOffer(parameters)) return offer;
  }
  return std::nullopt;
}

}  // namespace covet::edge
