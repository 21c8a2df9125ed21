#include "edge/session/request_table.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "common/base/string_map.h"

namespace covet::edge {
namespace {

size_t HashOf(std::string_view id) { return StringViewHash()(id); }

template <typename T>
void SwapErase(std::vector<T>& items, typename std::vector<T>::iterator it) {
  if (it != items.end() - 1) *it = std::move(items.back());
  items.pop_back();
}

}  // namespace

bool RequestTable::InUse(std::string_view id) const {
  if (unfinished_.empty() && held_.empty()) return false;
  const size_t hash = HashOf(id);
  return std::any_of(unfinished_.begin(), unfinished_.end(),
                     [&](const Unfinished& known) {
                       return known.hash == hash && known.request.id == id;
                     }) ||
         std::any_of(held_.begin(), held_.end(),
                     [&](const Held& known) { return known.hash == hash && known.id == id; });
}

RequestTable::Token RequestTable::Begin(Request request) {
  const size_t hash = HashOf(request.id);
  if (request.call != 0) ++calls_;
  unfinished_.push_back({hash, next_token_, std::move(request)});
  return next_token_++;
}

Request RequestTable::Finish(Token token) {
  return End(std::find_if(unfinished_.begin(), unfinished_.end(),
                          [&](const Unfinished& known) { return known.token == token; }));
}

Request RequestTable::FinishCall(uint64_t call) {
  return End(std::find_if(unfinished_.begin(), unfinished_.end(),
                          [&](const Unfinished& known) { return known.request.call == call; }));
}

Request RequestTable::End(std::vector<Unfinished>::iterator it) {
  // Each request is finished once: callbacks run once.
  assert(it != unfinished_.end());
  Request request = std::move(it->request);
  SwapErase(unfinished_, it);
  if (request.call != 0) --calls_;
  return request;
}

Request* RequestTable::Find(std::string_view id) {
  const auto it = std::find_if(unfinished_.begin(), unfinished_.end(),
                               [&](const Unfinished& known) { return known.request.id == id; });
  return it == unfinished_.end() ? nullptr : &it->request;
}

std::vector<uint64_t> RequestTable::CallNumbers() const {
  std::vector<uint64_t> numbers;
  numbers.reserve(calls_);
  for (const Unfinished& known : unfinished_) {
    if (known.request.call != 0) numbers.push_back(known.request.call);
  }
  return numbers;
}

void RequestTable::Hold(std::string_view id) { held_.push_back({HashOf(id), std::string(id)}); }

void RequestTable::Release(std::string_view id) {
  const auto it =
      std::find_if(held_.begin(), held_.end(), [&](const Held& known) { return known.id == id; });
  if (it != held_.end()) SwapErase(held_, it);
}

void RequestTable::ReleaseIdle() {
  if (unfinished_.empty() && unfinished_.capacity() > 0) {
    std::vector<Unfinished>().swap(unfinished_);
  }
  if (held_.empty() && held_.capacity() > 0) std::vector<Held>().swap(held_);
}

}  // namespace covet::edge
