#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/payload/json_scanner.h"
#include "covet/common/v1/common.pb.h"

// Between JSON text, which is what Covet carries, and google.protobuf.Struct, which is what people
// at grpcurl like to write and read. Thread-safe.
namespace covet::payload {

// A Struct nests three messages per object. Deeper objects would pass the limit of 100 messages
// that Protobuf's parsers keep by default.
inline constexpr int kMaxStructDepth = 24;

// Appends compact JSON text with keys in byte order; numbers that are integers are printed so.
// INVALID_ARGUMENT, with `out` in an undefined state, for what JSON cannot say (NaN, infinities, a
// Value without a kind) and for values nested deeper than `max_depth`.
absl::Status StructToJson(const google::protobuf::Struct& value, std::string* out,
                          int max_depth = kDefaultJsonDepth);

// Fills `out` if `json` is an object that survives the way to a Struct and back with every name and
// value: no repeated keys, no escapes of lone surrogates, no numbers whose digits a double does not
// keep (integers above 2^53 mostly, 1e999), nested at most kMaxStructDepth deep. False, with `out`
// empty, for everything else. The order of keys is not kept, as in every Struct.
bool JsonToStruct(std::string_view json, google::protobuf::Struct* out);

// The JSON text of a payload in a request. INVALID_ARGUMENT if neither field is set, if `json` is
// not valid JSON within `max_depth`, or where StructToJson fails.
absl::StatusOr<std::string> PayloadToJson(const common::v1::Payload& payload,
                                          int max_depth = kDefaultJsonDepth);

// A payload in an answer, from valid JSON text: `structured` if `format` wants it and it fits, else
// `json`.
void JsonToPayload(std::string_view json, common::v1::PayloadFormat format,
                   common::v1::Payload* out);

}  // namespace covet::payload
