#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/executor.h"
#include "common/server/server_stream.h"
#include "services/rooms/domain/rooms_core.h"

namespace covet::rooms {

// Gives `event`, whose payload is JSON text, the payload that `format` asks for.
void FormatPayload(common::v1::PayloadFormat format, v1::RoomEvent* event);

// One call of Join: a member that reads the room's log as fast as its caller takes it. Lives on the
// core's executor, kept by its stream until the call is over.
class RoomWatch final : public RoomFollower, public std::enable_shared_from_this<RoomWatch> {
 public:
  using Stream = server::ServerStream<v1::JoinResponse>;

  static void Start(Executor& executor, RoomsCore& core, const v1::JoinRequest& request,
                    const std::shared_ptr<Stream>& stream);

  RoomWatch(Executor& executor, RoomsCore& core, v1::JoinRequest request,
            std::shared_ptr<Stream> stream);

  void OnAdvance() override { Read(); }
  void OnPresence(const v1::RoomPresence& presence) override;
  void OnLeft(const std::string& reason) override;

 private:
  void Begin();
  void Read();
  void OnPage(RoomsCore::History history);
  // Sends what the stream takes below its mark; false if the rest is to be read again.
  bool SendEvents(std::vector<v1::RoomEvent>& events);
  bool Wants(const std::string& event_type) const;
  void Close();

  Executor& executor_;
  RoomsCore& core_;
  const v1::JoinRequest request_;
  const std::set<std::string> event_types_;
  const std::shared_ptr<Stream> stream_;
  int64_t cursor_ = 0;
  bool joined_ = false;
  bool reading_ = false;  // A page is on its way, or the stream must drain before the next.
  bool more_ = false;
  bool over_ = false;
  // While it is followed the core points here.
  std::shared_ptr<RoomWatch> self_;
};

}  // namespace covet::rooms
