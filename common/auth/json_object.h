#pragma once

#include <simdjson.h>

#include <string_view>
#include <utility>
#include <vector>

namespace covet::auth {

// The members of one JSON object of a token. Refuses what RFC 7519 section 4 lets us refuse: a name
// that repeats, so that no two readers of one token see different claims. Not for anything large:
// names are compared pairwise.
class JsonObject {
 public:
  static constexpr size_t kMaxMembers = 128;
  static constexpr size_t kMaxDepth = 8;

  // False for anything but one such object. Once only; `members` refer to this.
  bool Parse(std::string_view json);

  const std::vector<std::pair<std::string_view, simdjson::dom::element>>& members() const {
    return members_;
  }

 private:
  simdjson::dom::parser parser_;
  std::vector<std::pair<std::string_view, simdjson::dom::element>> members_;
};

}  // namespace covet::auth
