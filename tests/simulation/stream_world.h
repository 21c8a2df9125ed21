#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/policy/policy.h"
#include "edge/streams/stream_client.h"
#include "edge/streams/thread_streams.h"
#include "tests/simulation/kernel.h"

namespace covet::sim {

class StreamWorld;
class StreamReaderProgram;

// The log of one resource as it was written, evicted records included.
struct StreamTruth {
  struct Entry {
    bool even = false;  // Passes the filter that some readers have.
    int key = 0;
  };
  std::vector<Entry> records;  // Record n at n - 1.
  int64_t oldest = 1;          // The oldest that is still kept.

  int64_t head() const { return static_cast<int64_t>(records.size()); }
};

// StreamService with one resource: subscriptions that follow its log, pages of history. It may be
// away, and its streams may be cut; what is under way then is lost.
class SimStreamService {
 public:
  explicit SimStreamService(StreamWorld& world) : world_(world) { NewLog(); }

  const std::string& epoch() const { return epoch_; }
  StreamTruth& log() { return logs_[epoch_]; }
  const StreamTruth& log(const std::string& epoch) { return logs_[epoch]; }
  bool away() const { return away_; }

  void NewLog();
  void Append();
  void Evict(int64_t oldest);
  void GoAway(int64_t for_us, bool new_log);

  // One Subscribe of an edge. Messages are sent while the edge reads; `down` is told its end.
  class Call : public std::enable_shared_from_this<Call> {
   public:
    Call(SimStreamService& service, std::function<void(streams::v1::SubscribeResponse)> message,
         std::function<void(absl::Status)> down)
        : service_(service), message_(std::move(message)), down_(std::move(down)) {}
    void Start(const streams::v1::SubscribeRequest& request);
    void ReadOn();
    void Cut();
    void Pump();

   private:
    void Send(streams::v1::SubscribeResponse message);

    SimStreamService& service_;
    std::function<void(streams::v1::SubscribeResponse)> message_;
    std::function<void(absl::Status)> down_;
    std::string epoch_;
    int64_t cursor_ = 0;
    bool even_ = false;
    bool reading_ = false;
    bool sending_ = false;
    bool over_ = false;
  };
  std::shared_ptr<Call> Subscribe(const streams::v1::SubscribeRequest& request,
                                  std::function<void(streams::v1::SubscribeResponse)> message,
                                  std::function<void(absl::Status)> down);
  absl::Status GetHistory(const streams::v1::GetHistoryRequest& request,
                          streams::v1::GetHistoryResponse* response);
  void CutOne();

 private:
  friend class Call;
  void AddRecord(int64_t offset, google::protobuf::RepeatedPtrField<streams::v1::Record>* out);

  StreamWorld& world_;
  bool away_ = false;
  std::string epoch_;
  std::map<std::string, StreamTruth> logs_;
  std::vector<std::weak_ptr<Call>> calls_;
};

// An edge's process: its upstreams and two threads.
class SimStreamEdge final : public edge::StreamWire, public edge::StreamDispatcher {
 public:
  explicit SimStreamEdge(StreamWorld& world);
  ~SimStreamEdge() override;

  struct EdgeThread {
    std::unique_ptr<Thread> thread;
    std::unique_ptr<edge::ThreadStreams> streams;
  };
  EdgeThread& RandomThread();
  const edge::StreamClient& client() const { return *client_; }

  void Open(uint64_t stream, streams::v1::SubscribeRequest request,
            const std::string& identity) override;
  void ReadOn(uint64_t stream) override;
  void Cancel(uint64_t stream) override;
  void Read(streams::v1::GetHistoryRequest request, const std::string& identity,
            std::function<void(absl::Status, streams::v1::GetHistoryResponse)> done) override;
  void Dispatch(uint32_t thread, edge::StreamItemPtr item) override;

 private:
  void Tick();

  StreamWorld& world_;
  std::map<uint64_t, std::shared_ptr<SimStreamService::Call>> calls_;
  std::unique_ptr<edge::StreamClient> client_;
  std::vector<EdgeThread> threads_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// One run: a service, an edge, and readers who come and go, resume, lag behind and check what they
// get against what was written.
class StreamWorld {
 public:
  struct Statistics {
    int64_t frames = 0;
    int64_t records = 0;
    int64_t dropped_told = 0;
    int64_t recovered = 0;
    int64_t not_recovered = 0;
    int64_t resets = 0;
    int64_t reopens = 0;
    int64_t edge_kills = 0;
    int64_t restarts = 0;
    int64_t refused = 0;
  };

  explicit StreamWorld(uint64_t seed);
  ~StreamWorld();

  // Empty, or what went wrong first.
  std::string Run();
  const Statistics& statistics() const { return statistics_; }

  Kernel& kernel() { return kernel_; }
  SimStreamService& service() { return service_; }
  SimStreamEdge* edge() { return edge_.get(); }
  const policy::PolicyStore& policy() const { return policy_; }
  bool quiet() const { return quiet_; }
  Statistics& statistics() { return statistics_; }
  void Fail(const std::string& what);

 private:
  void Step();

  Kernel kernel_;
  policy::PolicyStore policy_;
  SimStreamService service_;
  std::unique_ptr<SimStreamEdge> edge_;
  std::vector<std::unique_ptr<StreamReaderProgram>> readers_;
  bool quiet_ = false;
  std::string failure_;
  Statistics statistics_;
};

}  // namespace covet::sim
