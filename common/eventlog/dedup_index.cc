#include "common/eventlog/dedup_index.h"

#include <openssl/sha.h>

#include <cstring>
#include <string>

namespace covet::eventlog {

uint64_t DedupIndex::Hash(std::string_view user_id, std::string_view key) {
  // User ids hold no NUL, so the pair cannot be split in two ways.
  std::string text;
  text.reserve(user_id.size() + 1 + key.size());
  text.append(user_id).push_back('\0');
  text.append(key);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  uint64_t hash;
  std::memcpy(&hash, digest, sizeof hash);
  return hash == 0 ? 1 : hash;
}

std::optional<int64_t> DedupIndex::Find(uint64_t hash, int64_t now_ms) {
  Expire(client_expiries_, now_ms);
  Expire(edge_expiries_, now_ms);
  const auto it = offsets_.find(hash);
  if (it == offsets_.end()) return std::nullopt;
  return it->second;
}

void DedupIndex::Add(uint64_t hash, int64_t offset, bool edge_key, int64_t now_ms) {
  Expire(client_expiries_, now_ms);
  Expire(edge_expiries_, now_ms);
  offsets_[hash] = offset;
  auto& queue = edge_key ? edge_expiries_ : client_expiries_;
  const int64_t window = edge_key ? kEdgeWindowMs : client_window_ms_;
  if (queue.size() >= max_keys_) Drop(queue);
  queue.push_back({now_ms + window, hash, offset});
}

void DedupIndex::Expire(boost::container::deque<Expiry>& queue, int64_t now_ms) {
  while (!queue.empty() && queue.front().at_ms <= now_ms) Drop(queue);
}

void DedupIndex::Drop(boost::container::deque<Expiry>& queue) {
  const auto it = offsets_.find(queue.front().hash);
  if (it != offsets_.end() && it->second == queue.front().offset) offsets_.erase(it);
  queue.pop_front();
}

}  // namespace covet::eventlog
