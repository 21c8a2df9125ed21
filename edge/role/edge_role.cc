#include "edge/role/edge_role.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/auth/authenticator.h"
#include "common/config/config.h"
#include "common/logging/log.h"
#include "common/metrics/metrics.h"
#include "common/server/channel_provider.h"
#include "covet/rooms/v1/link.grpc.pb.h"
#include "covet/rpc/v1/link.grpc.pb.h"
#include "edge/files/file_downloads.h"
#include "edge/files/grpc_files_gateway.h"
#include "edge/link/grpc_link_wire.h"
#include "edge/link/grpc_stream_wire.h"
#include "edge/role/edge_metrics.h"
#include "edge/role/edge_worker.h"
#include "edge/role/files_metrics.h"
#include "edge/role/rpc_metrics.h"
#include "edge/role/thread_dispatcher.h"
#include "edge/role/transport_options.h"
#include "edge/rooms/link_client.h"
#include "edge/rpc/rpc_link.h"
#include "edge/session/session_thread.h"
#include "edge/session/settings.h"
#include "edge/session/upgrade.h"
#include "edge/static_files/static_files.h"
#include "edge/streams/stream_client.h"
#include "edge/streams/thread_streams.h"
#include "edge/transport/server.h"

namespace covet::edge {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLinkTick(100);
constexpr milliseconds kRoomsTick(1000);
// What a page of a replay may hold; less where queues are small.
constexpr int64_t kMaxPageBytes = 256 << 10;
// Beyond the window of a drain and the closing handshakes, for what the scheduler does.
constexpr int64_t kDrainSlackMs = 1'000;
// What running calls get in a drain, and how often it looks whether they have ended.
constexpr int64_t kRunningGraceMs = 5'000;
constexpr int64_t kRunningLookMs = 10;

using RoomsStreams = GrpcLinkWire<rooms::v1::RoomLinkService, rooms::v1::EdgeFrame,
                                  rooms::v1::OwnerFrame, LinkClient>;
using RpcStreams =
    GrpcLinkWire<rpc::v1::RpcLinkService, rpc::v1::EdgeFrame, rpc::v1::ServiceFrame, RpcLink>;

// Runs `fn` on the thread now and then for as long as the thread's loop runs.
void RunEvery(EdgeThread& thread, milliseconds period, std::function<void()> fn) {
  thread.RunAfter(period, [&thread, period, fn = std::move(fn)] {
    fn();
    RunEvery(thread, period, fn);
  });
}

// Tells edges apart in the logs and members' lists of an owner.
std::string EdgeName(const config::v1::Config& config) {
  char host[256] = {};
  if (gethostname(host, sizeof(host) - 1) != 0) host[0] = '\0';
  return absl::StrCat(host, "/", config.edge().listen());
}

absl::StatusOr<FileIndex> ReadStaticFiles(const config::v1::Config& config) {
  std::vector<StaticDirectory> directories;
  for (const config::v1::StaticFilesConfig& files : config.edge().static_files()) {
    directories.push_back({files.path(), files.directory()});
  }
  return FileIndex::Read(std::move(directories));
}

class EdgeRole final : public server::Role {
 public:
  explicit EdgeRole(const server::RoleContext& context)
      : context_(context),
        config_(context.config),
        shared_(*context.clock, *context.ids, *context.users,
                std::make_shared<const SessionSettings>(SettingsOf(*config_)),
                std::make_shared<const limits::AttemptLimits>(AttemptLimitsOf(*config_)),
                config::MemoryBudget(*config_)) {}

  ~EdgeRole() override { Stop(); }

  std::string_view name() const override { return "edge"; }

  absl::Status Start() override {
    absl::StatusOr<TransportOptions> options = TransportOptionsOf(*config_);
    if (!options.ok()) return options.status();
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = context_.channels->ChannelTo("rooms");
    if (!channel.ok()) return channel.status();
    StartRpcLink();
    // Without a channel this deployment has no streams.
    absl::StatusOr<std::shared_ptr<grpc::Channel>> streams =
        context_.channels->ChannelTo("streams");
    if (!streams.ok() && !absl::IsNotFound(streams.status())) return streams.status();
    StartLink(*std::move(channel), streams.ok() ? *std::move(streams) : nullptr, *options);
    StartFiles();
    if (absl::Status listening = StartServer(*std::move(options)); !listening.ok()) {
      return listening;
    }
    metrics_ = RegisterEdgeMetrics(*context_.metrics, *server_, shared_, *link_,
                                   stream_client_.get(), workers_);
    if (rpc_link_) {
      for (metrics::CallbackRegistration& registration :
           RegisterEdgeRpcMetrics(*context_.metrics, shared_, *rpc_link_, workers_)) {
        metrics_.push_back(std::move(registration));
      }
    }
    if (downloads_) AddFilesMetrics(*context_.metrics, workers_, *downloads_, &metrics_);
    link_->Start();
    if (rpc_link_) rpc_link_->Start();
    RunEvery(server_->thread(0), kLinkTick, [this] {
      link_->Tick();
      if (rpc_link_) rpc_link_->Tick();
      if (stream_client_) stream_client_->Tick();
    });
    for (size_t i = 0; i < workers_.size(); ++i) {
      RunEvery(server_->thread(i), kRoomsTick, [worker = workers_[i].get()] { worker->Tick(); });
    }
    server_->Listen();
    started_ = true;
    log::Info("edge_listening", {{"address", config_->edge().listen()},
                                 {"port", server_->port()},
                                 {"threads", server_->thread_count()},
                                 {"tls", !config_->edge().tls().cert_file().empty()}});
    return absl::OkStatus();
  }

  // Once the link has come up: while rooms restart, connections stay and new ones are welcome.
  bool Ready() const override {
    if (!started_ || shared_.draining) return false;
    if (!linked_ && link_->connected()) linked_ = true;
    return linked_;
  }

  void Reload(std::shared_ptr<const config::v1::Config> config) override {
    shared_.settings.Set(std::make_shared<const SessionSettings>(SettingsOf(*config)));
    shared_.attempts.Reload(
        std::make_shared<const limits::AttemptLimits>(AttemptLimitsOf(*config)));
    absl::StatusOr<FileIndex> files = ReadStaticFiles(*config);
    if (files.ok()) {
      static_files_->Set(*std::move(files));
    } else {
      log::Warning("static_files_kept", {{"error", std::string(files.status().message())}});
    }
  }

  void Drain(int64_t /*deadline_ms*/, std::function<void()> done) override {
    if (!started_) return done();
    const int64_t delay_ms = config::Millis(config_->edge().drain_delay());
    const int64_t window_ms = config::Millis(config_->edge().drain_window());
    const int64_t patience_ms =
        window_ms + config::Millis(config_->edge().close_timeout()) + kDrainSlackMs;
    drain_ = std::thread([this, delay_ms, window_ms, patience_ms, done = std::move(done)] {
      stopping_.WaitForNotificationWithTimeout(absl::Milliseconds(delay_ms));
      shared_.draining = true;
      WaitForRunning();
      server_->Drain(milliseconds(window_ms));
      const bool closed = server_->WaitUntilClosed(milliseconds(patience_ms));
      log::Info("edge_drained", {{"closed", closed}});
      done();
    });
  }

  void Stop() override {
    if (!stopping_.HasBeenNotified()) stopping_.Notify();
    if (drain_.joinable()) drain_.join();
    started_ = false;
    metrics_.clear();
    // Sessions end here, and tell rooms so.
    if (server_) server_->Stop();
    // Sessions and downloads have gone; so do their calls.
    if (files_) files_->Shutdown();
    if (link_) link_->Stop();
    if (rpc_link_) rpc_link_->Stop();
    if (stream_client_) stream_client_->Stop();
    if (stream_wire_) stream_wire_->Shutdown();
    // Nothing comes down the links after this, so that threads, rooms and calls may go.
    wire_.reset();
    rpc_wire_.reset();
  }

 private:
  // Hands results to the workers.
  class CallDispatcher final : public RpcDispatcher {
   public:
    void Add(EdgeThread* thread, ThreadCalls* calls) { targets_.emplace_back(thread, calls); }
    void Dispatch(uint32_t thread, std::shared_ptr<RpcResults> results) override {
      const auto& [target, calls] = targets_[thread];
      target->Post([calls = calls, results = std::move(results)] { calls->OnResults(*results); });
    }

   private:
    std::vector<std::pair<EdgeThread*, ThreadCalls*>> targets_;
  };

  void WaitForRunning() {
    for (int64_t waited = 0; shared_.running.load() > 0 && waited < kRunningGraceMs;
         waited += kRunningLookMs) {
      if (stopping_.WaitForNotificationWithTimeout(absl::Milliseconds(kRunningLookMs))) return;
    }
  }

  void StartRpcLink() {
    auto channel = context_.channels->ChannelTo("rpc");
    if (!channel.ok()) return;  // Not offered here.
    rpc_wire_ = std::make_unique<RpcStreams>("rpc", *std::move(channel));
    RpcLinkOptions options;
    options.edge_name = EdgeName(*config_);
    rpc_link_ = std::make_unique<RpcLink>(std::move(options), *context_.clock, *context_.ids,
                                          *rpc_wire_, rpc_dispatcher_);
    rpc_wire_->Bind(rpc_link_.get());
  }

  void StartLink(std::shared_ptr<grpc::Channel> channel, std::shared_ptr<grpc::Channel> streams,
                 const TransportOptions& options) {
    wire_ = std::make_unique<RoomsStreams>("rooms", std::move(channel));
    LinkOptions link_options;
    link_options.edge_name = EdgeName(*config_);
    link_options.max_hello_bytes = config_->grpc().max_message_bytes() / 16 * 15;
    // An owner ends an edge after a lease without a beat; the edge gives up a silent owner before.
    const int64_t lease_ms = config::Millis(config_->rooms().lease());
    LinkTimes& times = link_options.times;
    times.beat_interval_ms = std::min(times.beat_interval_ms, lease_ms / 5);
    times.silence_ms = std::min(times.silence_ms, lease_ms * 4 / 5);
    link_ = std::make_unique<LinkClient>(std::move(link_options), *context_.clock, *context_.ids,
                                         *wire_, dispatcher_);
    wire_->Bind(link_.get());
    const auto page_bytes = static_cast<int32_t>(
        std::min(kMaxPageBytes, static_cast<int64_t>(options.queue.max_bytes / 4)));
    if (streams != nullptr) {
      stream_wire_ = MakeGrpcStreamWire(std::move(streams));
      stream_client_ = std::make_unique<StreamClient>(StreamClientOptions(), *context_.clock,
                                                      *stream_wire_, stream_dispatcher_);
      stream_wire_->Bind(stream_client_.get());
    }
    StreamHubLimits limits;
    limits.heartbeat_interval_ms = config::Millis(config_->edge().heartbeat_interval());
    limits.frame_bytes = static_cast<size_t>(page_bytes);
    limits.waiting_bytes = options.queue.max_bytes;
    for (size_t i = 0; i < options.threads; ++i) {
      const auto thread = static_cast<uint32_t>(i);
      workers_.push_back(std::make_unique<EdgeWorker>(
          thread, shared_, *link_, page_bytes / 2, rpc_link_.get(), MakeStreams(thread, limits)));
    }
  }

  std::unique_ptr<ThreadStreams> MakeStreams(uint32_t thread, const StreamHubLimits& limits) {
    if (stream_client_ == nullptr) return nullptr;
    return std::make_unique<ThreadStreams>(
        thread, limits, *context_.clock, *context_.ids, *context_.policy, *stream_client_,
        [this, thread](int64_t delay_ms) {
          server_->thread(thread).RunAfter(
              milliseconds(delay_ms), [this, thread] { workers_[thread]->streams->OnTimer(); });
        });
  }

  void StartFiles() {
    auto channel = context_.channels->ChannelTo("files");
    if (!channel.ok()) return;  // Not offered here.
    files_ = MakeGrpcFilesGateway(*std::move(channel));
    for (const auto& worker : workers_) worker->OfferFiles(*files_);
  }

  absl::Status StartServer(TransportOptions options) {
    std::vector<SessionThread*> threads;
    for (const auto& worker : workers_) threads.push_back(&worker->sessions);
    upgrade_ = std::make_unique<SessionUpgrade>(shared_, std::move(threads));
    absl::StatusOr<FileIndex> files = ReadStaticFiles(*config_);
    if (!files.ok()) return files.status();
    static_files_ = std::make_unique<StaticFiles>(*std::move(files), *upgrade_);
    HttpHandler* http = static_files_.get();
    if (files_) {
      downloads_ = std::make_unique<FileDownloads>(*files_, *static_files_, shared_.draining,
                                                   shared_.running);
      http = downloads_.get();
    }
    absl::StatusOr<std::unique_ptr<TransportServer>> server = TransportServer::Create(
        std::move(options),
        {.upgrade = upgrade_.get(), .http = http, .clock = context_.clock, .ids = context_.ids});
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    std::vector<EdgeThread*> edge_threads;
    for (size_t i = 0; i < workers_.size(); ++i) edge_threads.push_back(&server_->thread(i));
    static_files_->Bind(edge_threads);
    if (downloads_) {
      for (size_t i = 0; i < workers_.size(); ++i) workers_[i]->uploads->Bind(edge_threads[i]);
      downloads_->Bind(std::move(edge_threads));
    }
    for (size_t i = 0; i < workers_.size(); ++i) {
      dispatcher_.Add(&server_->thread(i), &workers_[i]->rooms);
      if (workers_[i]->streams != nullptr) {
        stream_dispatcher_.Add(&server_->thread(i), workers_[i]->streams.get());
      }
      if (!workers_[i]->calls) continue;
      workers_[i]->calls->Bind(&server_->thread(i));
      rpc_dispatcher_.Add(&server_->thread(i), &*workers_[i]->calls);
    }
    return absl::OkStatus();
  }

  const server::RoleContext context_;
  const std::shared_ptr<const config::v1::Config> config_;
  SessionShared shared_;
  ThreadDispatcher dispatcher_;
  CallDispatcher rpc_dispatcher_;
  std::unique_ptr<RoomsStreams> wire_;
  std::unique_ptr<RpcStreams> rpc_wire_;
  std::unique_ptr<LinkClient> link_;
  std::unique_ptr<RpcLink> rpc_link_;
  std::unique_ptr<GrpcFilesGateway> files_;
  // What the threads still hold of a stream refers to its wire: it goes after them.
  StreamThreadDispatcher stream_dispatcher_;
  std::unique_ptr<GrpcStreamWire> stream_wire_;
  std::unique_ptr<StreamClient> stream_client_;
  std::vector<std::unique_ptr<EdgeWorker>> workers_;
  std::unique_ptr<SessionUpgrade> upgrade_;
  std::unique_ptr<StaticFiles> static_files_;
  std::unique_ptr<FileDownloads> downloads_;
  std::unique_ptr<TransportServer> server_;
  std::vector<metrics::CallbackRegistration> metrics_;
  std::atomic<bool> started_{false};
  mutable std::atomic<bool> linked_{false};
  absl::Notification stopping_;
  std::thread drain_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<server::Role>> MakeEdgeRole(const server::RoleContext& context) {
  return std::make_unique<EdgeRole>(context);
}

}  // namespace covet::edge
