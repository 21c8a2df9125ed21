#include "common/config/diff.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "common/config/schema.h"
#include "google/protobuf/util/message_differencer.h"

namespace covet::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool Same(const Message& a, const Message& b, const FieldDescriptor* field) {
  google::protobuf::util::MessageDifferencer differencer;
  return differencer.CompareWithFields(a, b, {field}, {field});
}

// `scratch` is a copy of the current message, given up piece by piece.
void Walk(Message* scratch, Message* next, const std::string& key, bool reload, Changes* changes) {
  for (int i = 0; i < next->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = next->GetDescriptor()->field(i);
    const auto* reflection = next->GetReflection();
    const std::string field_key = absl::StrCat(key, key.empty() ? "" : ".", field->name());
    const bool field_reload = reload || RulesOf(field).reload();
    if (Same(*scratch, *next, field)) continue;
    if (!field->is_repeated() && !IsScalar(field)) {
      Walk(reflection->MutableMessage(scratch, field), reflection->MutableMessage(next, field),
           field_key, field_reload, changes);
    } else if (field_reload) {
      changes->reloaded.push_back(field_key);
    } else {
      changes->need_restart.push_back(field_key);
      reflection->SwapFields(scratch, next, {field});
    }
  }
}

}  // namespace

Changes KeepWhatNeedsRestart(const v1::Config& current, v1::Config* next) {
  Changes changes;
  v1::Config scratch = current;
  Walk(&scratch, next, "", false, &changes);
  return changes;
}

}  // namespace covet::config
