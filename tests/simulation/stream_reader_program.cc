#include "tests/simulation/stream_reader_program.h"

#include <simdjson.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "common/errors/error.h"
#include "edge/transport/outbound_queue.h"

namespace covet::sim {
namespace {

const edge::QueueLimits kLimits{.max_bytes = 12 << 10, .high_water_bytes = 3 << 10};

}  // namespace

// A connection and its session on one edge thread, behind a socket that drains now and then.
class StreamReaderProgram::Socket final : public edge::Connection,
                                          public edge::StreamSubscriber,
                                          public std::enable_shared_from_this<Socket> {
 public:
  Socket(StreamReaderProgram* program, SimStreamEdge::EdgeThread& thread)
      : program_(program), world_(program->world_), thread_(thread), queue_(&kLimits) {
    identity_.set_user_id(program->name_);
    identity_.set_session_id(world_.kernel().ids().NewId("sess_"));
    identity_.add_roles("reader");
  }

  void Abandon(bool edge_gone) {
    program_ = nullptr;
    closed_ = true;
    if (edge_gone) return;
    thread_.thread->Post(
        [self = shared_from_this()] { self->thread_.streams->CloseSession(self->session_id()); });
  }
  // What the client sends arrives on the thread.
  void Post(std::function<void()> closure) {
    thread_.thread->Post([self = shared_from_this(), closure = std::move(closure)] {
      if (!self->closed_) closure();
    });
  }
  edge::StreamGateway& streams() { return *thread_.streams; }
  const covet::common::v1::Identity& identity() const { return identity_; }
  const std::string& session_id() const { return identity_.session_id(); }
  bool closed() const { return closed_; }

  edge::SendResult Send(edge::Outbound message) override {
    const edge::SendResult result = queue_.Push(std::move(message), world_.kernel().SteadyMillis());
    if (queue_.overflowed()) world_.Fail("a connection's queue overflowed");
    return result;
  }
  size_t queued_bytes() const override { return queue_.bytes(); }
  bool behind() const override { return queue_.backpressured(); }
  void PauseReading() override {}
  void ResumeReading() override {}
  void Ping(std::string) override {}
  void Close(uint16_t, std::string) override {}
  const std::string& remote_address() const override { return session_id(); }
  // Control messages share the queue's order with frames.
  void SendText(std::string text) {
    edge::Outbound message;
    message.frame = edge::Frame::Text(std::move(text));
    Send(std::move(message));
  }

  edge::Connection& connection() override { return *this; }
  void OnUnsubscribed(const std::string& id, const std::string& reason) override {
    SendText(R"({"type":"unsubscribed","data":{"subscription_id":")" + id + R"(","reason":")" +
             reason + "\"}}");
  }

  void Drain() {
    if (closed_) return;
    edge::Departure out;
    for (int64_t burst = world_.kernel().Random(1, 10); burst > 0; --burst) {
      if (!queue_.Pop(world_.kernel().SteadyMillis(), &out)) break;
      queue_.Release(out.cost);
      std::string text(out.frame->text());
      if (out.spliced()) {
        std::string insert;
        out.AppendInsert(&insert);
        text.insert(out.frame->splice(), insert);
      }
      if (program_ != nullptr) program_->OnFrame(text);
      if (closed_) return;
    }
    if (queue_.TakeDrained()) thread_.streams->OnDrained(session_id());
    const bool slow = !world_.quiet() && world_.kernel().Chance(20);
    world_.kernel().After(world_.kernel().Random(100, slow ? 900'000 : 4'000),
                          [weak = weak_from_this()] {
                            const auto self = weak.lock();
                            if (self == nullptr || self->closed_) return;
                            self->Post([self = self.get()] { self->Drain(); });
                          });
  }

 private:
  StreamReaderProgram* program_;
  StreamWorld& world_;
  SimStreamEdge::EdgeThread& thread_;
  covet::common::v1::Identity identity_;
  edge::OutboundQueue queue_;
  bool closed_ = false;
};

StreamReaderProgram::StreamReaderProgram(StreamWorld& world, int index)
    : world_(world), name_("user" + std::to_string(index)) {}

StreamReaderProgram::~StreamReaderProgram() {
  if (socket_ != nullptr) socket_->Abandon(/*edge_gone=*/true);
}

void StreamReaderProgram::Fail(const std::string& what) {
  world_.Fail(name_ + " " + subscription_id_ + ": " + what + " (told " + std::to_string(told_) +
              ")");
}

void StreamReaderProgram::Connect() {
  if (world_.edge() == nullptr) return;
  socket_ = std::make_shared<Socket>(this, world_.edge()->RandomThread());
  socket_->Post([socket = socket_.get()] { socket->Drain(); });
}

void StreamReaderProgram::Disconnect(bool edge_gone) {
  if (socket_ == nullptr) return;
  socket_->Abandon(edge_gone);
  socket_.reset();
  subscription_id_.clear();
  live_ = false;
}

void StreamReaderProgram::Settle() {
  if (socket_ == nullptr) Connect();
  if (socket_ != nullptr && subscription_id_.empty()) Subscribe();
}

void StreamReaderProgram::Step() {
  if (socket_ == nullptr) return Connect();
  if (subscription_id_.empty()) return Subscribe();
  if (world_.kernel().Chance(15)) return Disconnect(false);
  if (!live_ || !world_.kernel().Chance(20)) return;
  socket_->Post([this, socket = socket_.get(), id = subscription_id_] {
    if (subscription_id_ != id) return;
    if (!socket->streams().Unsubscribe(socket->session_id(), id)) return;
    socket->OnUnsubscribed(id, "unsubscribed");
  });
}

void StreamReaderProgram::Subscribe() {
  Kernel& kernel = world_.kernel();
  edge::SubscribeParams params;
  subscription_id_ = "s" + std::to_string(next_subscription_++);
  params.subscription_id = subscription_id_;
  params.stream_type = streams::v1::STREAM_TYPE_EVENTS;
  params.resource_id = "r";
  resumed_ = !epoch_.empty() && kernel.Chance(80);
  if (!resumed_) {
    even_ = kernel.Chance(40);
    history_ = kernel.Chance(40) ? static_cast<int32_t>(kernel.Random(1, 60)) : 0;
  } else {
    params.has_resume = true;
    params.resume_epoch = epoch_;
    params.resume_offset = told_;
    history_ = 0;
  }
  params.history = history_;
  if (even_) params.filter.add_tags("even");
  constexpr int32_t kIntervals[] = {0, 0, 50, 200, 1000};
  params.batch_interval_ms = kIntervals[kernel.Random(0, 4)];
  params.buffer_size = static_cast<int32_t>(kernel.Random(0, 1) == 0 ? kernel.Random(1, 8) : 50);
  params.conflate = conflate_ = kernel.Chance(20);
  socket_->Post([this, socket = socket_.get(), params = std::move(params)] {
    const std::string id = params.subscription_id;
    socket->streams().Subscribe(
        socket->identity(), socket, params, [this, socket, id](edge::SubscribeResult result) {
          if (!result.status.ok()) {
            socket->SendText(R"({"type":"error","data":{"subscription_id":")" + id + "\"}}");
            return;
          }
          socket->SendText(R"({"type":"subscribed","data":{"subscription_id":")" + id +
                           R"(","epoch":")" + result.epoch + R"(","offset":)" +
                           std::to_string(result.offset) + R"(,"recovered":)" +
                           (result.recovered ? "true" : "false") + "}}");
          // Judged against the log as it is when the edge says so.
          if (result.recovered || !resumed_) return;
          const StreamTruth& truth = world_.service().log();
          if (result.epoch == world_.service().epoch() && epoch_ == result.epoch &&
              told_ >= truth.oldest - 1 && told_ <= truth.head()) {
            Fail("could have been recovered");
          }
        });
  });
}

void StreamReaderProgram::OnFrame(const std::string& text) {
  world_.kernel().Note(name_);
  world_.kernel().Note(text);
  simdjson::dom::parser parser;
  simdjson::dom::element message = parser.parse(text);
  const simdjson::dom::element data = message["data"];
  const auto text_of = [](simdjson::dom::element value) {
    return std::string(value.get_string().value());
  };
  const std::string type = text_of(message["type"]);
  const std::string id = text_of(data["subscription_id"]);
  if (id != subscription_id_) return Fail("a frame of another subscription: " + text);
  if (type == "error") {
    ++world_.statistics().refused;
    subscription_id_.clear();
    return;
  }
  if (type == "subscribed") {
    edge::SubscribeResult result;
    result.epoch = text_of(data["epoch"]);
    result.offset = int64_t(data["offset"]);
    result.recovered = bool(data["recovered"]);
    return OnSubscribed(result);
  }
  if (type == "unsubscribed") {
    return OnUnsubscribed(id, text_of(data["reason"]));
  }
  if (!live_) return Fail("data before subscribed");
  if (text_of(data["epoch"]) != epoch_) return Fail("another epoch: " + text);
  std::vector<int64_t> batch;
  for (const simdjson::dom::element record : data["batch"]) batch.push_back(int64_t(record["n"]));
  int64_t dropped = 0;
  if (data["dropped"].get(dropped) != simdjson::SUCCESS) dropped = 0;
  OnData(int64_t(data["first_offset"]), int64_t(data["last_offset"]), dropped, batch);
}

void StreamReaderProgram::OnSubscribed(const edge::SubscribeResult& result) {
  live_ = true;
  if (resumed_) {
    ++(result.recovered ? world_.statistics().recovered : world_.statistics().not_recovered);
  }
  first_may_skip_ = false;
  if (resumed_ && result.epoch == epoch_ && result.recovered) return;
  if (!resumed_ && result.recovered) return Fail("recovered without a resume");
  // What is left of the log, or of history, or what comes.
  first_may_skip_ = (resumed_ && result.epoch == epoch_ && told_ < result.offset) || history_ > 0;
  told_ = history_ > 0 ? std::max<int64_t>(0, result.offset - history_)
                       : (first_may_skip_ ? told_ : result.offset);
  epoch_ = result.epoch;
}

void StreamReaderProgram::OnUnsubscribed(const std::string& /*id*/, const std::string& reason) {
  subscription_id_.clear();
  live_ = false;
  if (reason == "reset") {
    // Announced: what it knows is stale.
    ++world_.statistics().resets;
    epoch_.clear();
  }
}

void StreamReaderProgram::OnData(int64_t first, int64_t last, int64_t dropped,
                                 const std::vector<int64_t>& batch) {
  const StreamTruth& truth = world_.service().log(epoch_);
  ++world_.statistics().frames;
  world_.statistics().records += static_cast<int64_t>(batch.size());
  world_.statistics().dropped_told += dropped;
  if (first <= told_) return Fail("repeats: first_offset " + std::to_string(first));
  if (last < first) return Fail("ends before it begins");
  if (last > truth.head()) return Fail("has what was not written");
  if (std::exchange(first_may_skip_, false)) told_ = first - 1;
  if (first != told_ + 1 && dropped == 0) {
    // Only a frame without records may have been dropped in between.
    for (int64_t n = told_ + 1; n < first; ++n) {
      if (!even_ || truth.records[static_cast<size_t>(n - 1)].even) {
        return Fail("lost " + std::to_string(n) + " without a word");
      }
    }
  }
  int64_t expected = 0;
  std::map<int, int64_t> newest;
  for (int64_t n = told_ + 1; n <= last; ++n) {
    const StreamTruth::Entry& entry = truth.records[static_cast<size_t>(n - 1)];
    if (even_ && !entry.even) continue;
    ++expected;
    if (n >= first) newest[entry.key] = n;
  }
  int64_t previous = first - 1;
  for (const int64_t n : batch) {
    if (n <= previous || n > last) return Fail("out of order: " + std::to_string(n));
    if (even_ && !truth.records[static_cast<size_t>(n - 1)].even) return Fail("not filtered");
    previous = n;
  }
  if (conflate_) {
    for (const auto& [key, n] : newest) {
      if (std::find(batch.begin(), batch.end(), n) == batch.end()) {
        return Fail("conflated the newest away: " + std::to_string(n));
      }
    }
  } else if (expected != static_cast<int64_t>(batch.size()) + dropped) {
    return Fail("expected " + std::to_string(expected) + " to " + std::to_string(last) + ", got " +
                std::to_string(batch.size()) + " and " + std::to_string(dropped) + " dropped");
  }
  told_ = last;
}

std::string StreamReaderProgram::AtRest() const {
  if (!live_) return name_ + " is not subscribed";
  if (epoch_ != world_.service().epoch()) return name_ + " follows another log";
  const int64_t head = world_.service().log(epoch_).head();
  if (told_ == head) return {};
  return name_ + " " + subscription_id_ + " was told " + std::to_string(told_) + " of " +
         std::to_string(head);
}

}  // namespace covet::sim
