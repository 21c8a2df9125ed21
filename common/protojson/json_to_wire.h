#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "common/protojson/json_cursor.h"
#include "common/protojson/message_table.h"

// Internal to protojson.
namespace covet::protojson::internal {

// Where a value stands, for errors; a chain of the callers' locals.
struct Path {
  const Path* parent = nullptr;
  std::string_view name;
  int64_t index = -1;  // Of an array's element, if not negative.
  bool map_key = false;
};

// Writes one JSON text as a message. Functions return false once `status` is set. Recursion is as
// deep as the text nests, which the scanner has bounded.
class JsonToWireWriter {
 public:
  // `json` is valid; `out` is appended to.
  JsonToWireWriter(std::string_view json, std::string* out) : in_(json), out_(out) {}

  // The value at the cursor as the content of a message.
  bool Message(const MessageTable& table, const Path& path, int wire_depth);

  const absl::Status& status() const { return status_; }

 private:
  // Which fields of a message have come.
  struct Seen {
    explicit Seen(const MessageTable& table)
        : fields((table.fields.size() + 63) / 64), oneofs(table.oneofs, -1) {}
    absl::InlinedVector<uint64_t, 2> fields;
    absl::InlinedVector<int32_t, 4> oneofs;  // The member that is set.
  };

  // Members of an object as fields; without `@type` if `any`.
  bool Object(const MessageTable& table, const Path& path, int wire_depth, bool any);
  bool Member(const MessageTable& table, int32_t index, const Path& path, int wire_depth,
              Seen* seen);
  bool Required(const MessageTable& table, const Path& path, const Seen& seen);
  bool Repeated(const FieldTable& field, const Path& path, int wire_depth);
  bool Map(const FieldTable& field, const Path& path, int wire_depth);
  bool MapKey(const FieldTable& field, std::string_view key, const Path& path);
  // A tag and a value. null is a value like any other here.
  bool Tagged(const FieldTable& field, const Path& path, int wire_depth);
  // Without the tag.
  bool Scalar(const FieldTable& field, const Path& path);
  bool Int(const FieldTable& field, const Path& path);
  bool PutInt(const FieldTable& field, std::string_view number, const Path& path,
              std::string_view received);
  bool Real(const FieldTable& field, const Path& path);
  bool Bool(const Path& path);
  bool Text(const Path& path);
  bool Bytes(const Path& path);
  bool Enum(const EnumTable& enums, const Path& path);

  // The well-known types, json_to_wire_known.cc.
  bool Any(const MessageTable& table, const Path& path, int wire_depth);
  bool Duration(const Path& path);
  bool FieldMask(const MessageTable& table, const Path& path);
  bool Timestamp(const Path& path);
  bool Value(const MessageTable& table, const Path& path, int wire_depth);
  // What both Timestamp and Duration hold.
  void SecondsAndNanos(int64_t seconds, int32_t nanos);

  // The string at the cursor; the view is of the text or of `storage`.
  bool String(std::string* storage, std::string_view* text, const Path& path,
              std::string_view expected);
  bool Unescaped(std::string_view raw, bool escaped, std::string* storage, std::string_view* text,
                 const Path& path);
  bool AtNull() const { return in_.peek() == 'n'; }

  bool Fail(const Path& path, std::string_view expected, std::string_view received);
  // `received` is the kind of the value at the cursor.
  bool WrongType(const Path& path, std::string_view expected);
  // `received` is the value at the cursor, cut to a bearable length.
  bool WrongValue(const Path& path, std::string_view expected);
  bool FailText(const Path& path, std::string_view message, std::string_view expected,
                std::string_view received);

  JsonCursor in_;
  std::string* const out_;
  absl::Status status_;
};

}  // namespace covet::protojson::internal
