#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/codec/messages.h"
#include "edge/transport/connection.h"

namespace covet::edge {

// What a reply needs to know of the request that it answers.
struct Request {
  std::string id;
  std::string correlation_id;  // Empty if the request had none.
  std::string room_id;         // Empty where it has none.
  Priority priority = Priority::kNormal;
  uint64_t call = 0;   // An rpc_call's number in the RpcGateway; 0 for other requests.
  std::string method;  // Of an rpc_call.
  // A subscription of its id begins with its answer: a subscribe, or a join that wants the room's
  // metrics.
  bool subscribes = false;
  // What came to end the subscription before this was answered, and takes effect after it.
  std::unique_ptr<Request> unsubscribe;

  ReplyTo reply_to() const { return {id, correlation_id}; }
};

// The ids that one session may not use again for now: those of its unfinished requests, and those
// that its live subscriptions hold. Both are few, bounded by what the session lets in, and found by
// a scan over hashes. An empty table holds no memory after ReleaseIdle. Not thread-safe.
class RequestTable {
 public:
  using Token = uint64_t;

  bool InUse(std::string_view id) const;

  // `request.id` is not in use.
  Token Begin(Request request);
  // Ends what Begin began; its id may come again, unless held.
  Request Finish(Token token);
  // The same for an RPC call, by its number.
  Request FinishCall(uint64_t call);
  // The unfinished request of that id, good until the next call; null if there is none.
  Request* Find(std::string_view id);
  size_t unfinished() const { return unfinished_.size(); }
  // How many of them are RPC calls.
  size_t calls() const { return calls_; }
  // Their numbers.
  std::vector<uint64_t> CallNumbers() const;

  // The id belongs to a live subscription.
  void Hold(std::string_view id);
  void Release(std::string_view id);

  // Gives unused memory back.
  void ReleaseIdle();

 private:
  struct Unfinished {
    size_t hash;
    Token token;
    Request request;
  };
  struct Held {
    size_t hash;
    std::string id;
  };

  Request End(std::vector<Unfinished>::iterator it);

  Token next_token_ = 1;
  size_t calls_ = 0;
  std::vector<Unfinished> unfinished_;
  std::vector<Held> held_;
};

}  // namespace covet::edge
