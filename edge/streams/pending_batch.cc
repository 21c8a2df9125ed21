#include "edge/streams/pending_batch.h"

#include <simdjson.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace covet::edge {

namespace {

using simdjson::SUCCESS;

// A value's text, of a valid document.
std::string_view TextOf(simdjson::ondemand::value value) {
  std::string_view text = value.raw_json_token();
  simdjson::ondemand::object object;
  simdjson::ondemand::array array;
  if (text.starts_with('{') && value.get_object().get(object) == SUCCESS) {
    if (object.raw_json().get(text) != SUCCESS) return {};
  } else if (text.starts_with('[') && value.get_array().get(array) == SUCCESS) {
    if (array.raw_json().get(text) != SUCCESS) return {};
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' ||
                           text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

std::string ConflationKey(const std::string& json) {
  thread_local simdjson::ondemand::parser parser;
  // The text has been found to be a valid JSON object before it was stored.
  const simdjson::padded_string padded(json);
  simdjson::ondemand::document document;
  simdjson::ondemand::value value;
  if (parser.iterate(padded).get(document) != SUCCESS ||
      document.find_field_unordered("key").get(value) != SUCCESS) {
    return {};
  }
  std::string key;
  std::string_view text = value.raw_json_token();
  // A string is one key however it is escaped; it fails where half of a surrogate pair is.
  if (text.starts_with('"') && value.get_string().get(text) == SUCCESS) {
    key.push_back('"');
  } else {
    text = TextOf(value);
    key.push_back('=');
  }
  return key.append(text);
}

void PendingBatch::Add(RecordRef ref) {
  const size_t bytes = ref.record().json.size();
  if (conflate_) {
    const auto [it, first] = newest_.try_emplace(ConflationKey(ref.record().json), refs_.size());
    if (!first) {
      RecordRef& older = refs_[it->second];
      bytes_ -= older.record().json.size();
      --size_;
      older.batch.reset();
      it->second = refs_.size();
    }
  }
  refs_.push_back(std::move(ref));
  bytes_ += bytes;
  ++size_;
  // A few keys that change often must not pile up.
  if (refs_.size() > 2 * size_ + 64) {
    size_t to = 0;
    std::vector<size_t> moved(refs_.size());
    for (size_t from = 0; from < refs_.size(); ++from) {
      if (refs_[from].batch == nullptr) continue;
      moved[from] = to;
      if (to != from) refs_[to] = std::move(refs_[from]);
      ++to;
    }
    refs_.resize(to);
    for (auto& [key, index] : newest_) index = moved[index];
  }
}

std::vector<RecordRef> PendingBatch::Take() {
  std::vector<RecordRef> taken = std::exchange(refs_, {});
  std::erase_if(taken, [](const RecordRef& ref) { return ref.batch == nullptr; });
  newest_.clear();
  size_ = 0;
  bytes_ = 0;
  return taken;
}

}  // namespace covet::edge
