#pragma once

#include <google/protobuf/message.h>

#include <random>

namespace covet::protojson::testing {

// Fills messages by reflection with values that the JSON mapping of both Protobuf and Covet carry:
// every kind of field, the ends of every range, text of every plane. Seeded.
class RandomMessage {
 public:
  explicit RandomMessage(uint64_t seed) : random_(seed) {}
  // `depth`: how far messages may still nest.
  void Fill(google::protobuf::Message* message, int depth);

 private:
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  void FillField(google::protobuf::Message* message, const google::protobuf::FieldDescriptor* field,
                 int depth);
  // Sets, or adds to, a field.
  void PutValue(google::protobuf::Message* message, const google::protobuf::FieldDescriptor* field,
                int depth);
  // True if the type has rules of its own.
  bool FillWellKnown(google::protobuf::Message* message, int depth);
  void FillTime(google::protobuf::Message* message, bool duration);
  void FillAny(google::protobuf::Message* message, int depth);
  int64_t Int(int64_t min, int64_t max);
  double Real(bool narrow);
  std::string Text();
  std::string Bytes();

  std::mt19937_64 random_;
};

}  // namespace covet::protojson::testing
