// covet-stream-load: publishes batches of records through gRPC Publish, follows them with
// Subscribe, and prints one JSON line: records/s published and received, and the server's CPU.

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "bench/load/jwt.h"
#include "bench/load/process_stats.h"
#include "covet/streams/v1/streams.grpc.pb.h"

ABSL_FLAG(std::string, target, "127.0.0.1:8001", "The gRPC server");
ABSL_FLAG(std::string, secret, "covet-demo-secret-for-localhost-only-0000", "Of the token's key");
ABSL_FLAG(std::string, key_id, "demo", "The key's `kid`");
ABSL_FLAG(std::string, resource, "orders", "An events resource");
ABSL_FLAG(int, batch, 500, "Records in a Publish");
ABSL_FLAG(int, record_bytes, 150, "Of each record's JSON text");
ABSL_FLAG(int, in_flight, 4, "Publishes at once");
ABSL_FLAG(int, subscribers, 1, "Subscribe calls beside");
ABSL_FLAG(int, seconds, 10, "How long");
ABSL_FLAG(int, server_pid, 0, "Whose CPU to tell");

namespace covet::bench {
namespace {

namespace v1 = covet::streams::v1;
using Clock = std::chrono::steady_clock;

std::string Token() {
  TokenClaims claims;
  claims.subject = "bench";
  claims.roles = {"admin"};
  claims.key_id = absl::GetFlag(FLAGS_key_id);
  claims.issued_at = std::time(nullptr);
  claims.expires_at = claims.issued_at + 3600;
  return "Bearer " + MintToken(claims, absl::GetFlag(FLAGS_secret));
}

v1::PublishRequest MakeRequest() {
  v1::PublishRequest request;
  request.set_stream_type(v1::STREAM_TYPE_EVENTS);
  request.set_resource_id(absl::GetFlag(FLAGS_resource));
  std::string json = R"({"timestamp":"2025-09-10T12:00:00Z","cpu_usage":45.2,"memory_usage":67.8,)"
                     R"("active_connections":12,"host":")";
  const auto bytes = static_cast<size_t>(absl::GetFlag(FLAGS_record_bytes));
  if (json.size() + 2 < bytes) json.append(bytes - json.size() - 2, 'x');
  json.append("\"}");
  for (int i = 0; i < absl::GetFlag(FLAGS_batch); ++i) {
    request.add_records()->mutable_payload()->set_json(json);
  }
  return request;
}

// One Publish after another, each started by the end of the one before.
class Publisher {
 public:
  Publisher(v1::StreamService::Stub& stub, const v1::PublishRequest& request,
            const std::string& token, Clock::time_point end)
      : stub_(stub), request_(request), token_(token), end_(end) {}

  void Next() {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->AddMetadata("authorization", token_);
    stub_.async()->Publish(context_.get(), &request_, &response_, [this](const grpc::Status& s) {
      if (s.ok()) {
        published += response_.offsets_size();
      } else {
        ++failed;
        error = s.error_message();
      }
      if (Clock::now() < end_) return Next();
      const std::lock_guard lock(mutex_);
      done_ = true;
      wake_.notify_all();
    });
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return done_; });
  }

  int64_t published = 0;
  int64_t failed = 0;
  std::string error;

 private:
  v1::StreamService::Stub& stub_;
  const v1::PublishRequest& request_;
  const std::string& token_;
  const Clock::time_point end_;
  std::unique_ptr<grpc::ClientContext> context_;
  v1::PublishResponse response_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
};

// Follows live; counts, and checks that offsets are dense.
class Follower {
 public:
  Follower(v1::StreamService::Stub& stub, const std::string& token) {
    context_.AddMetadata("authorization", token);
    v1::SubscribeRequest request;
    request.set_stream_type(v1::STREAM_TYPE_EVENTS);
    request.set_resource_id(absl::GetFlag(FLAGS_resource));
    request.set_payload_format(common::v1::PAYLOAD_FORMAT_JSON);
    reader_ = stub.Subscribe(&context_, request);
    v1::SubscribeResponse opened;
    if (reader_->Read(&opened)) first = opened.opened().offset();
    last = first;
    thread_ = std::thread([this] { Run(); });
  }
  ~Follower() {
    context_.TryCancel();
    thread_.join();
  }

  int64_t first = 0;
  std::atomic<int64_t> last{0};
  std::atomic<bool> broken{false};

 private:
  void Run() {
    v1::SubscribeResponse response;
    while (reader_->Read(&response)) {
      for (const v1::Record& record : response.batch().records()) {
        if (record.offset() != last + 1) broken = true;
        last = record.offset();
      }
      if (response.has_closed()) broken = true;
    }
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::SubscribeResponse>> reader_;
  std::thread thread_;
};

uint64_t ServerCpuNs() {
  const int pid = absl::GetFlag(FLAGS_server_pid);
  if (pid == 0) return 0;
  const auto usage = ReadCpuUsage({pid});
  return usage.ok() ? usage->total_ns : 0;
}

int Run() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(absl::GetFlag(FLAGS_target),
                                                 grpc::InsecureChannelCredentials(), arguments);
  const auto stub = v1::StreamService::NewStub(channel);
  const std::string token = Token();
  const v1::PublishRequest request = MakeRequest();

  std::vector<std::unique_ptr<Follower>> followers;
  for (int i = 0; i < absl::GetFlag(FLAGS_subscribers); ++i) {
    followers.push_back(std::make_unique<Follower>(*stub, token));
  }
  const uint64_t cpu_before = ServerCpuNs();
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::seconds(absl::GetFlag(FLAGS_seconds));
  std::vector<std::unique_ptr<Publisher>> publishers;
  for (int i = 0; i < absl::GetFlag(FLAGS_in_flight); ++i) {
    publishers.push_back(std::make_unique<Publisher>(*stub, request, token, end));
    publishers.back()->Next();
  }
  int64_t published = 0;
  int64_t failed = 0;
  for (const auto& publisher : publishers) {
    publisher->Wait();
    published += publisher->published;
    failed += publisher->failed;
    if (!publisher->error.empty()) std::fprintf(stderr, "%s\n", publisher->error.c_str());
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  int64_t received = 0;
  bool broken = false;
  // What is under way may still come; then every follower has everything.
  const auto patience = Clock::now() + std::chrono::seconds(20);
  for (const auto& follower : followers) {
    while (follower->last - follower->first < published && !follower->broken &&
           Clock::now() < patience) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    received += follower->last - follower->first;
    broken |= follower->broken || follower->last - follower->first != published;
  }
  const double all_seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const double server_cpu = static_cast<double>(ServerCpuNs() - cpu_before) * 1e-9;
  std::printf(
      "{\"published\":%lld,\"failed\":%lld,\"seconds\":%.2f,\"published_per_s\":%.0f,"
      "\"received\":%lld,\"received_per_s\":%.0f,\"complete\":%s,\"server_cpu_s\":%.2f,"
      "\"server_cpu_us_per_record\":%.3f}\n",
      static_cast<long long>(published), static_cast<long long>(failed), seconds,
      static_cast<double>(published) / seconds, static_cast<long long>(received),
      static_cast<double>(received) / all_seconds, broken ? "false" : "true", server_cpu,
      server_cpu * 1e6 / static_cast<double>(published));
  return broken || failed > 0 ? 1 : 0;
}

}  // namespace
}  // namespace covet::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("covet-stream-load: see --help");
  absl::ParseCommandLine(argc, argv);
  return covet::bench::Run();
}
