#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "common/protojson/message_table.h"
#include "common/protojson/wire_format.h"

// Internal to protojson.
namespace covet::protojson::internal {

// Prints one message. Functions return false once `status` is set.
//
// A message is collected first, then printed: its fields may come in any order, in pieces, and more
// than once, where the last scalar counts and messages merge.
class WireToJsonPrinter {
 public:
  WireToJsonPrinter(std::string* out, size_t max_bytes)
      : out_(out), max_size_(out->size() + max_bytes) {}

  // `depth`: arrays and objects around it.
  bool Message(const MessageTable& table, std::string_view wire, int depth);

  const absl::Status& status() const { return status_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // What came for a field: a chain of pieces, in order.
  struct Slot {
    uint32_t head = kNone;
    uint32_t tail = kNone;
  };
  struct Piece {
    WireValue value;
    uint32_t next = kNone;
  };
  // Gives slots and pieces of one message back when it is printed.
  class Frame {
   public:
    explicit Frame(WireToJsonPrinter* printer)
        : printer_(printer), slots(printer->slots_.size()), pieces_(printer->pieces_.size()) {}
    ~Frame() {
      printer_->slots_.resize(slots);
      printer_->pieces_.resize(pieces_);
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

   private:
    WireToJsonPrinter* const printer_;

   public:
    const size_t slots;  // Index of the message's first slot.

   private:
    const size_t pieces_;
  };

  // Sorts the fields of `wire` into slots from `frame.slots` on.
  bool Collect(const MessageTable& table, std::string_view wire, const Frame& frame);
  void Add(size_t slot, const WireValue& value);
  Slot slot(const Frame& frame, size_t field) const { return slots_[frame.slots + field]; }
  // The value that counts of a scalar field; zero if it did not come.
  WireValue Last(Slot slot) const;

  // `"name":value` for each field that appears, with commas as needed.
  bool Fields(const MessageTable& table, const Frame& frame, int depth);
  bool Repeated(const FieldTable& field, Slot slot, int depth);
  bool Packed(const FieldTable& field, std::string_view bytes, bool* first);
  bool Map(const FieldTable& field, Slot slot, int depth);
  void MapKey(const FieldTable& field, const WireValue& value);
  // One value of a singular field, from all its pieces.
  bool Singular(const FieldTable& field, Slot slot, int depth);
  void Scalar(const FieldTable& field, const WireValue& value);
  void Real(double value, bool narrow);

  bool Any(const MessageTable& table, const Frame& frame, int depth);
  bool Time(const MessageTable& table, const Frame& frame);
  bool FieldMask(const MessageTable& table, const Frame& frame);
  bool Value(const MessageTable& table, const Frame& frame, int depth);

  bool Malformed(const MessageTable& table);
  bool TooDeep();
  // Asked for before each message and each element.
  bool HasRoom();

  std::string* const out_;
  const size_t max_size_;
  absl::InlinedVector<Slot, 48> slots_;
  absl::InlinedVector<Piece, 24> pieces_;
  absl::Status status_;
};

}  // namespace covet::protojson::internal
