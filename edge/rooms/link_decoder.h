#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "covet/rooms/v1/link.pb.h"
#include "edge/codec/messages.h"
#include "edge/rooms/link_items.h"

namespace covet::edge {

// Turns what an owner sent into what hubs deliver, framing each message once for all its readers.
class LinkDecoder {
 public:
  // `owner_now_ms` is the owner's clock when the frame was filled: what ends by that clock ends
  // here by ours.
  LinkDecoder(const Clock& clock, int64_t owner_now_ms, MessageEncoder& encoder)
      : steady_now_ms_(clock.SteadyMillis()), owner_now_ms_(owner_now_ms), encoder_(encoder) {}

  // Appends the decoded item to `batch`, and its cost to the credit if it is an event. Takes what
  // it needs out of `item`.
  void Decode(rooms::v1::OwnerItem& item, LinkBatch& batch) const;

 private:
  HubEventPtr DecodeEvent(const std::string& room_id, const std::string& epoch, int64_t offset,
                          const std::string& record) const;
  void DecodePage(const std::string& room_id, rooms::v1::LinkReadResult& read,
                  PageResult* page) const;
  int64_t ToSteady(int64_t owner_ms) const;

  const int64_t steady_now_ms_;
  const int64_t owner_now_ms_;
  MessageEncoder& encoder_;
};

}  // namespace covet::edge
