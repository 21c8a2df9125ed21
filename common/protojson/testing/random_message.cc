#include "common/protojson/testing/random_message.h"

#include <google/protobuf/descriptor.pb.h>

#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <string>

namespace covet::protojson::testing {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

template <typename T>
constexpr int64_t kMin = std::numeric_limits<T>::min();
template <typename T>
constexpr int64_t kMax = std::numeric_limits<T>::max();

// Sets or adds, by whether the field is repeated.
#define COVET_PUT(TYPE, value)                    \
  if (field->is_repeated()) {                     \
    reflection->Add##TYPE(message, field, value); \
  } else {                                        \
    reflection->Set##TYPE(message, field, value); \
  }

}  // namespace

int64_t RandomMessage::Int(int64_t min, int64_t max) {
  switch (random_() % 6) {
    case 0:
      return min;
    case 1:
      return max;
    case 2:
      return 0;
    case 3:
      return static_cast<int64_t>(random_() % 100);
    default:
      return std::uniform_int_distribution<int64_t>(min, max)(random_);
  }
}

double RandomMessage::Real(bool narrow) {
  switch (random_() % 8) {
    case 0:
      return 0;
    case 1:
      return std::numeric_limits<double>::infinity();
    case 2:
      return static_cast<double>(static_cast<int64_t>(random_() % 2'000'001) - 1'000'000);
    case 3:
      return narrow ? static_cast<double>(0.1F) : 0.1;
    default:
      // Any bits that are a number. Subnormal ones are left to the unit tests.
      for (;;) {
        const uint64_t bits = random_();
        const double value = narrow ? std::bit_cast<float>(static_cast<uint32_t>(bits))
                                    : std::bit_cast<double>(bits);
        if (std::isfinite(value) && std::abs(value) > 1e-37) return value;
      }
  }
}

std::string RandomMessage::Text() {
  static const char* const kPieces[] = {
      "a",      "Z",      "0",      " ", "\"", "\\", "/",          "\n", "\t", "\x01",   "\x7f",
      "\u00e9", "\u20ac", "\u2028", "<", ">",  "&",  "\U0001F600", "{",  "}",  "\u0800", "'"};
  std::string text;
  for (uint64_t left = random_() % 12; left > 0; --left) {
    text += kPieces[random_() % std::size(kPieces)];
  }
  if (Chance(3)) text += std::string(random_() % 400, 'x');
  return text;
}

std::string RandomMessage::Bytes() {
  std::string bytes(random_() % 20, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random_());
  return bytes;
}

void RandomMessage::Fill(Message* message, int depth) {
  if (FillWellKnown(message, depth)) return;
  const Descriptor* const type = message->GetDescriptor();
  const int percent = type->field_count() > 12 ? 12 : 60;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* const field = type->field(i);
    if (type->options().map_entry() || field->is_required() || Chance(percent))
      FillField(message, field, depth);
  }
}

void RandomMessage::FillField(Message* message, const FieldDescriptor* field, int depth) {
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && depth == 0 &&
      !field->is_required() && !field->containing_type()->options().map_entry()) {
    return;
  }
  if (!field->is_repeated()) {
    PutValue(message, field, depth);
    return;
  }
  for (uint64_t left = random_() % 4; left > 0; --left) PutValue(message, field, depth);
  if (!field->is_map()) return;
  // Reflection lets entries repeat a key, which no map keeps.
  const Reflection* const reflection = message->GetReflection();
  const std::unique_ptr<Message> unique(message->New());
  std::set<std::string> keys;
  for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(*message, field, i);
    const std::unique_ptr<Message> key(entry.New());
    key->CopyFrom(entry);
    key->GetReflection()->ClearField(key.get(), field->message_type()->map_value());
    if (keys.insert(key->SerializePartialAsString()).second) {
      reflection->AddMessage(unique.get(), field)->CopyFrom(entry);
    }
  }
  reflection->ClearField(message, field);
  message->MergeFrom(*unique);
}

void RandomMessage::PutValue(Message* message, const FieldDescriptor* field, int depth) {
  const Reflection* const reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      COVET_PUT(Int32, static_cast<int32_t>(Int(kMin<int32_t>, kMax<int32_t>)));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      COVET_PUT(Int64, Int(kMin<int64_t>, kMax<int64_t>));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      COVET_PUT(UInt32, static_cast<uint32_t>(Int(0, kMax<uint32_t>)));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      COVET_PUT(UInt64, static_cast<uint64_t>(Int(kMin<int64_t>, kMax<int64_t>)));
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      COVET_PUT(Double, Real(false));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      COVET_PUT(Float, static_cast<float>(Real(true)));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      COVET_PUT(Bool, Chance(50));
      break;
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string value = field->type() == FieldDescriptor::TYPE_BYTES ? Bytes() : Text();
      COVET_PUT(String, value);
      break;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* const type = field->enum_type();
      const bool open = type->file()->syntax() == google::protobuf::FileDescriptor::SYNTAX_PROTO3;
      if (open && Chance(10) && type->full_name() != "google.protobuf.NullValue") {
        COVET_PUT(EnumValue, 1234);
      } else {
        const int index = static_cast<int>(random_() % static_cast<uint64_t>(type->value_count()));
        COVET_PUT(Enum, type->value(index));
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      Message* const child = field->is_repeated() ? reflection->AddMessage(message, field)
                                                  : reflection->MutableMessage(message, field);
      Fill(child, depth > 0 ? depth - 1 : 0);
      break;
    }
  }
}

#undef COVET_PUT

bool RandomMessage::FillWellKnown(Message* message, int depth) {
  const Descriptor* const type = message->GetDescriptor();
  const Reflection* const reflection = message->GetReflection();
  const std::string& name = type->full_name();
  if (name == "google.protobuf.Timestamp" || name == "google.protobuf.Duration") {
    FillTime(message, name == "google.protobuf.Duration");
    return true;
  }
  if (name == "google.protobuf.FieldMask") {
    static const char* const kPaths[] = {"a", "foo_bar", "a.b_c.d", "x1"};
    for (uint64_t left = random_() % 4; left > 0; --left) {
      reflection->AddString(message, type->field(0), kPaths[random_() % std::size(kPaths)]);
    }
    return true;
  }
  if (name == "google.protobuf.Any") {
    FillAny(message, depth);
    return true;
  }
  if (name == "google.protobuf.Value") {
    // One kind; numbers that JSON has.
    switch (random_() % (depth > 0 ? 6 : 4)) {
      case 0:
        reflection->SetEnumValue(message, type->field(0), 0);
        break;
      case 1: {
        const double value = Real(false);
        reflection->SetDouble(message, type->field(1), std::isfinite(value) ? value : 0.5);
        break;
      }
      case 2:
        reflection->SetString(message, type->field(2), Text());
        break;
      case 3:
        reflection->SetBool(message, type->field(3), Chance(50));
        break;
      case 4:
        Fill(reflection->MutableMessage(message, type->field(4)), depth - 1);
        break;
      default:
        Fill(reflection->MutableMessage(message, type->field(5)), depth - 1);
    }
    return true;
  }
  return false;
}

void RandomMessage::FillTime(Message* message, bool duration) {
  const Descriptor* const type = message->GetDescriptor();
  const Reflection* const reflection = message->GetReflection();
  const int64_t seconds =
      duration ? Int(-315'576'000'000, 315'576'000'000) : Int(-62'135'596'800, 253'402'300'799);
  static constexpr int32_t kNanos[] = {0, 1, 1'000, 500'000'000, 999'999'999, 123'456'000};
  int32_t nanos = kNanos[random_() % std::size(kNanos)];
  if (duration && (seconds == 315'576'000'000 || seconds == -315'576'000'000)) nanos = 0;
  if (duration && seconds < 0) nanos = -nanos;
  reflection->SetInt64(message, type->field(0), seconds);
  reflection->SetInt32(message, type->field(1), nanos);
}

void RandomMessage::FillAny(Message* message, int depth) {
  static const char* const kTypes[] = {"test.Nested", "google.protobuf.Duration",
                                       "google.protobuf.Struct", "test.Order"};
  const Descriptor* const type = message->GetDescriptor();
  const Reflection* const reflection = message->GetReflection();
  const char* const name = kTypes[random_() % std::size(kTypes)];
  const Descriptor* const content_type = type->file()->pool()->FindMessageTypeByName(name);
  const std::unique_ptr<Message> content(
      reflection->GetMessageFactory()->GetPrototype(content_type)->New());
  Fill(content.get(), depth > 0 ? depth - 1 : 0);
  reflection->SetString(message, type->field(0), std::string("type.googleapis.com/") + name);
  reflection->SetString(message, type->field(1), content->SerializeAsString());
}

}  // namespace covet::protojson::testing
