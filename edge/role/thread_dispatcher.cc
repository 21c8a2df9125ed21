#include "edge/role/thread_dispatcher.h"

#include <cstdint>
#include <utility>
#include <variant>

namespace covet::edge {

void ThreadDispatcher::Dispatch(std::shared_ptr<const LinkBatch> batch) {
  // A batch of replies alone concerns only those who asked.
  uint64_t asked = 0;
  bool everyone = targets_.size() > 64;
  for (const LinkItem& item : batch->items) {
    const auto* reply = std::get_if<ReplyItem>(&item);
    if (reply == nullptr) {
      everyone = true;
      break;
    }
    if (reply->thread < 64) asked |= uint64_t{1} << reply->thread;
  }
  for (size_t i = 0; i < targets_.size(); ++i) {
    if (everyone || (asked >> i & 1) != 0) Post(targets_[i], batch);
  }
}

void ThreadDispatcher::Post(const Target& target,
                            const std::shared_ptr<const LinkBatch>& batch) const {
  target.thread->Post([rooms = target.rooms, batch] { rooms->OnBatch(*batch); });
}

}  // namespace covet::edge
