#include "edge/transport/pending_sockets.h"

#include "common/limits/address.h"

namespace covet::edge {
namespace {

std::string KeyOf(std::string_view address) {
  return limits::IpAddress::Parse(address).value_or(limits::IpAddress()).LimitKey();
}

}  // namespace

bool PendingSockets::Allows(std::string_view address, size_t free) const {
  const auto it = held_.find(KeyOf(address));
  return (it == held_.end() ? 0 : it->second) < free;
}

void PendingSockets::Add(std::string_view address) { ++held_[KeyOf(address)]; }

void PendingSockets::Remove(std::string_view address) {
  const auto it = held_.find(KeyOf(address));
  if (--it->second == 0) held_.erase(it);
}

}  // namespace covet::edge
