#pragma once

#include <string>

#include "covet/config/v1/options.pb.h"
#include "google/protobuf/descriptor.h"

// What the configuration's descriptors tell.
namespace covet::config {

// The rules that a field's declaration carries; empty for fields of messages that are not the
// configuration's own.
const v1::FieldRules& RulesOf(const google::protobuf::FieldDescriptor* field);

// Whether a value of this field is one YAML scalar: numbers, texts, enums, and Duration, Timestamp.
bool IsScalar(const google::protobuf::FieldDescriptor* field);

bool IsDuration(const google::protobuf::FieldDescriptor* field);
// An int64 whose name ends in `_bytes`.
bool IsSize(const google::protobuf::FieldDescriptor* field);

// How an enum's value is written: `JWT_ALGORITHM_HS256` is `hs256`.
std::string EnumText(const google::protobuf::EnumValueDescriptor* value);

}  // namespace covet::config
