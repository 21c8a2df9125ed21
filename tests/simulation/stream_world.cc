#include "tests/simulation/stream_world.h"

#include <utility>

#include "tests/simulation/stream_reader_program.h"

namespace covet::sim {
namespace {

constexpr int kReaders = 10;
constexpr int64_t kSecond = 1'000'000;

std::shared_ptr<const policy::Policy> ReadersMayRead() {
  policy::Role role;
  role.name = "reader";
  role.grants.emplace_back();
  role.grants.back().set_action("stream:read");
  role.grants.back().set_pattern("events:*");
  return std::make_shared<const policy::Policy>(*policy::Policy::Compile({role}));
}

}  // namespace

SimStreamEdge::SimStreamEdge(StreamWorld& world) : world_(world) {
  edge::StreamClientOptions options;
  options.linger_ms = 1'000;
  options.read_ahead = 2;
  client_ = std::make_unique<edge::StreamClient>(options, world.kernel(), *this, *this);
  edge::StreamHubLimits limits;
  limits.heartbeat_interval_ms = 3'000;
  limits.frame_bytes = 600;
  limits.waiting_bytes = 4'000;
  limits.retained_bytes = static_cast<size_t>(world.kernel().Random(200, 20'000));
  for (uint32_t i = 0; i < 2; ++i) {
    EdgeThread& thread = threads_.emplace_back();
    thread.thread = std::make_unique<Thread>(world.kernel(), 500);
    Thread* const runs = thread.thread.get();
    thread.streams = std::make_unique<edge::ThreadStreams>(
        i, limits, world.kernel(), world.kernel().ids(), world.policy(), *client_,
        [this, i, runs, alive = std::weak_ptr<bool>(alive_)](int64_t delay_ms) {
          world_.kernel().After(delay_ms * 1000, [this, i, runs, alive] {
            if (alive.expired()) return;
            runs->Post([this, i] { threads_[i].streams->OnTimer(); });
          });
        });
  }
  Tick();
}

SimStreamEdge::~SimStreamEdge() {
  for (const auto& [stream, call] : calls_) call->Cut();
}

SimStreamEdge::EdgeThread& SimStreamEdge::RandomThread() {
  return threads_[static_cast<size_t>(world_.kernel().Random(0, 1))];
}

void SimStreamEdge::Tick() {
  client_->Tick();
  for (EdgeThread& thread : threads_) {
    thread.thread->Post([streams = thread.streams.get()] { streams->Tick(); });
  }
  world_.kernel().After(100'000, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) Tick();
  });
}

void SimStreamEdge::Open(uint64_t stream, streams::v1::SubscribeRequest request,
                         const std::string& /*identity*/) {
  calls_[stream] = world_.service().Subscribe(
      request,
      [this, stream, alive = std::weak_ptr<bool>(alive_)](streams::v1::SubscribeResponse message) {
        if (!alive.expired()) client_->OnMessage(stream, std::move(message));
      },
      [this, stream, alive = std::weak_ptr<bool>(alive_)](const absl::Status& status) {
        if (alive.expired()) return;
        calls_.erase(stream);
        client_->OnDown(stream, status);
      });
}

void SimStreamEdge::ReadOn(uint64_t stream) {
  const auto it = calls_.find(stream);
  if (it != calls_.end()) it->second->ReadOn();
}

void SimStreamEdge::Cancel(uint64_t stream) {
  const auto it = calls_.find(stream);
  if (it != calls_.end()) it->second->Cut();
}

void SimStreamEdge::Read(streams::v1::GetHistoryRequest request, const std::string& /*identity*/,
                         std::function<void(absl::Status, streams::v1::GetHistoryResponse)> done) {
  Kernel& kernel = world_.kernel();
  kernel.After(kernel.Random(50, 3'000),
               [&world = world_, request = std::move(request), done = std::move(done),
                alive = std::weak_ptr<bool>(alive_)] {
                 streams::v1::GetHistoryResponse response;
                 absl::Status status = world.service().GetHistory(request, &response);
                 world.kernel().After(world.kernel().Random(50, 3'000),
                                      [alive, done, status, response = std::move(response)] {
                                        if (!alive.expired()) done(status, response);
                                      });
               });
}

void SimStreamEdge::Dispatch(uint32_t thread, edge::StreamItemPtr item) {
  threads_[thread].thread->Post([streams = threads_[thread].streams.get(), item = std::move(item)] {
    streams->OnItem(*item);
  });
}

StreamWorld::StreamWorld(uint64_t seed)
    : kernel_(seed), policy_(ReadersMayRead()), service_(*this) {
  edge_ = std::make_unique<SimStreamEdge>(*this);
  for (int i = 0; i < kReaders; ++i) {
    readers_.push_back(std::make_unique<StreamReaderProgram>(*this, i));
  }
}

StreamWorld::~StreamWorld() {
  readers_.clear();
  edge_.reset();
}

void StreamWorld::Fail(const std::string& what) {
  if (failure_.empty()) {
    failure_ = "at " + std::to_string(kernel_.SteadyMillis()) + " ms: " + what;
  }
}

void StreamWorld::Step() {
  const int64_t dice = kernel_.Random(0, 999);
  if (dice < 500) {
    service_.Append();
  } else if (dice < 940) {
    readers_[static_cast<size_t>(kernel_.Random(0, kReaders - 1))]->Step();
  } else if (dice < 960) {
    service_.CutOne();
  } else if (dice < 970) {
    service_.Evict(service_.log().head() - kernel_.Random(0, 150));
  } else if (dice < 976 && !service_.away()) {
    ++statistics_.restarts;
    service_.GoAway(kernel_.Random(10'000, 3 * kSecond), kernel_.Chance(30));
  } else if (dice < 978) {
    ++statistics_.edge_kills;
    statistics_.reopens += edge_->client().counters().reopens;
    for (const auto& reader : readers_) reader->Disconnect(/*edge_gone=*/true);
    edge_ = std::make_unique<SimStreamEdge>(*this);
  }
}

std::string StreamWorld::Run() {
  for (int step = 0; step < 1'200 && failure_.empty(); ++step) {
    Step();
    kernel_.RunUntil(kernel_.SteadyMicros() + kernel_.Random(0, 15'000));
  }
  quiet_ = true;
  for (int i = 0; i < 60 && failure_.empty(); ++i) {
    for (const auto& reader : readers_) reader->Settle();
    kernel_.RunUntil(kernel_.SteadyMicros() + kSecond / 2);
  }
  statistics_.reopens += edge_->client().counters().reopens;
  for (const auto& reader : readers_) {
    if (const std::string wrong = reader->AtRest(); !wrong.empty()) Fail(wrong);
  }
  return failure_;
}

}  // namespace covet::sim
