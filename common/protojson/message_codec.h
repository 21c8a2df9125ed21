#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace google::protobuf {
class Descriptor;
}

// Between JSON text and Protobuf's wire format, without a message object in between, by the
// Protobuf JSON mapping. Where Covet is stricter or says more:
//  - Params: field names in either spelling (proto name, json_name). What is refused as
//    INVALID_ARGUMENT, with `field`, `expected` and `received` in its details: unknown fields,
//    repeated fields or map keys, two members of a oneof, integers that would lose digits in a
//    double or float, unknown enum names, and for closed (proto2) enums unknown numbers, escapes of
//    lone surrogates.
//  - Results: proto field names; fields without presence always appear (`false`, 0, "", [], {});
//    64-bit integers are strings; bytes that no UTF-8 string holds become U+FFFD; an Any of a type
//    that the schema lacks shows its bytes as base64 in `value`; unknown fields and extensions are
//    dropped.
namespace covet::protojson {

namespace internal {
struct MessageTable;
}

// JSON and wire messages may nest this deep.
inline constexpr int kMaxDepth = 64;
// What fields without presence print lets a few bytes become many: a bound for those who have none.
inline constexpr size_t kMaxJsonBytes = size_t{16} << 20;

// One message type, compiled. A small value that points into its Schema, which must outlive it.
// Thread-safe.
class MessageCodec {
 public:
  explicit MessageCodec(const internal::MessageTable* table) : table_(table) {}

  const google::protobuf::Descriptor& descriptor() const;
  const internal::MessageTable& table() const { return *table_; }

  // Appends the wire form of the message that `json` (an object; for the well-known types what the
  // mapping says) holds. Errors name fields by a path that begins with `root`, e.g.
  // `params.customer.name`. INVALID_ARGUMENT, too, if `json` is not valid JSON of depth kMaxDepth;
  // `wire` is then undefined.
  absl::Status JsonToWire(std::string_view json, std::string_view root, std::string* wire) const;

  // Appends compact JSON text. INTERNAL, with `json` undefined, if `wire` is not a message of the
  // type, or nests deeper than kMaxDepth; the protocol's MESSAGE_TOO_LARGE if the text would have
  // more than about `max_bytes`.
  absl::Status WireToJson(std::string_view wire, std::string* json,
                          size_t max_bytes = kMaxJsonBytes) const;

 private:
  const internal::MessageTable* table_;
};

}  // namespace covet::protojson
