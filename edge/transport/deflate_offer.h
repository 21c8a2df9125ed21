#pragma once

#include <boost/beast/core/string_type.hpp>
#include <optional>
#include <string>

namespace covet::edge {

// A client's offer of permessage-deflate (RFC 7692 section 7.1).
struct DeflateOffer {
  // The extension header that accepts it, without context takeover.
  std::string answer;
  // The client inflates with less than the full window, so that frames deflated for everybody are
  // not for it.
  bool small_server_window = false;
};

// The first valid offer among a Sec-WebSocket-Extensions header's; what is malformed is passed
// over.
std::optional<DeflateOffer> ChooseDeflateOffer(boost::beast::string_view extensions);

}  // namespace covet::edge
