// covet-stream-load: publishes batches of records through gRPC Publish, follows them with
// Subscribe, and prints one JSON line: records/s published and received, and the server's CPU.
// Publishers wait for no subscriber: what these lack then is read from the log.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "bench/load/jwt.h"
#include "bench/load/process_stats.h"
#include "covet/streams/v1/streams.grpc.pb.h"

ABSL_FLAG(std::string, target, "127.0.0.1:8001", "The gRPC server");
ABSL_FLAG(std::string, jwt_secret, "", "signs the token (HS256)");
ABSL_FLAG(std::string, jwt_key_id, "", "the token's kid");
ABSL_FLAG(std::vector<std::string>, jwt_roles, {}, "the token's roles");
ABSL_FLAG(std::string, resource, "orders", "An events resource");
ABSL_FLAG(int, batch, 500, "Records in a Publish");
ABSL_FLAG(int, record_bytes, 150, "Of each record's JSON text");
ABSL_FLAG(int, in_flight, 4, "Publishes at once");
ABSL_FLAG(int, subscribers, 1, "Subscribe calls beside");
ABSL_FLAG(int, connections, 8, "That the Subscribe calls share");
ABSL_FLAG(int64_t, records, 1'000'000, "To publish");
ABSL_FLAG(int, server_pid, 0, "Whose CPU to tell");

namespace covet::bench {
namespace {

namespace v1 = covet::streams::v1;
using Clock = std::chrono::steady_clock;

std::string Token() {
  TokenClaims claims;
  claims.subject = "bench";
  claims.roles = absl::GetFlag(FLAGS_jwt_roles);
  claims.key_id = absl::GetFlag(FLAGS_jwt_key_id);
  claims.issued_at = std::time(nullptr);
  claims.expires_at = claims.issued_at + 3600;
  return "Bearer " + MintToken(claims, absl::GetFlag(FLAGS_jwt_secret));
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

// One Publish after another, each started by the end of the one before, while `left` has batches.
class Publisher {
 public:
  Publisher(v1::StreamService::Stub& stub, const v1::PublishRequest& request,
            const std::string& token, std::atomic<int64_t>& left)
      : stub_(stub), request_(request), token_(token), left_(left) {}

  void Next() {
    if (left_.fetch_sub(1) <= 0) {
      const std::lock_guard lock(mutex_);
      done_ = true;
      wake_.notify_all();
      return;
    }
    context_ = std::make_unique<grpc::ClientContext>();
    context_->AddMetadata("authorization", token_);
    stub_.async()->Publish(context_.get(), &request_, &response_, [this](const grpc::Status& s) {
      if (s.ok()) {
        published += response_.offsets_size();
      } else {
        ++failed;
        error = s.error_message();
      }
      Next();
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
  std::atomic<int64_t>& left_;
  std::unique_ptr<grpc::ClientContext> context_;
  v1::PublishResponse response_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
};

// How many followers are open, and what they have; whoever waits is woken by changes.
struct Progress {
  std::mutex mutex;
  std::condition_variable wake;
  int open = 0;
  int ended = 0;
  int broken = 0;  // An offset lacked, or the call ended by itself.
  int64_t received = 0;

  template <typename Condition>
  bool Wait(std::chrono::seconds limit, Condition condition) {
    std::unique_lock lock(mutex);
    return wake.wait_for(lock, limit, condition);
  }
};

// Follows live; counts, and checks that offsets are dense.
class Follower final : public grpc::ClientReadReactor<v1::SubscribeResponse> {
 public:
  Follower(v1::StreamService::Stub& stub, const std::string& token, Progress& progress)
      : progress_(progress) {
    context_.AddMetadata("authorization", token);
    request_.set_stream_type(v1::STREAM_TYPE_EVENTS);
    request_.set_resource_id(absl::GetFlag(FLAGS_resource));
    request_.set_payload_format(common::v1::PAYLOAD_FORMAT_JSON);
    stub.async()->Subscribe(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    bool dense = !response_.has_closed();
    for (const v1::Record& record : response_.batch().records()) {
      dense &= record.offset() == last_ + 1;
      last_ = record.offset();
    }
    {
      const std::lock_guard lock(progress_.mutex);
      if (response_.has_opened()) {
        last_ = response_.opened().offset();
        ++progress_.open;
      }
      progress_.received += response_.batch().records_size();
      if (!dense) ++progress_.broken;
    }
    progress_.wake.notify_one();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    const std::lock_guard lock(progress_.mutex);
    ++progress_.ended;
    if (status.error_code() != grpc::StatusCode::CANCELLED) ++progress_.broken;
    progress_.wake.notify_one();
  }

 private:
  Progress& progress_;
  grpc::ClientContext context_;
  v1::SubscribeRequest request_;
  v1::SubscribeResponse response_;
  int64_t last_ = 0;
};

uint64_t ServerCpuNs() {
  const int pid = absl::GetFlag(FLAGS_server_pid);
  if (pid == 0) return 0;
  const auto usage = ReadCpuUsage({pid});
  return usage.ok() ? usage->total_ns : 0;
}

std::unique_ptr<v1::StreamService::Stub> Connect() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::StreamService::NewStub(grpc::CreateCustomChannel(
      absl::GetFlag(FLAGS_target), grpc::InsecureChannelCredentials(), arguments));
}

int Run() {
  constexpr std::chrono::seconds kPatience(60);
  const auto publish_stub = Connect();
  const std::string token = Token();
  const v1::PublishRequest request = MakeRequest();

  Progress progress;
  std::vector<std::unique_ptr<v1::StreamService::Stub>> stubs;
  const int subscribers = absl::GetFlag(FLAGS_subscribers);
  for (int i = 0; i < std::min(subscribers, absl::GetFlag(FLAGS_connections)); ++i) {
    stubs.push_back(Connect());
  }
  std::vector<std::unique_ptr<Follower>> followers;
  followers.reserve(static_cast<size_t>(subscribers));
  for (int i = 0; i < subscribers; ++i) {
    followers.push_back(
        std::make_unique<Follower>(*stubs[static_cast<size_t>(i) % stubs.size()], token, progress));
  }
  if (!progress.Wait(kPatience,
                     [&] { return progress.open == subscribers || progress.broken > 0; })) {
    std::fprintf(stderr, "not all subscribers were opened\n");
  }
  const uint64_t cpu_before = ServerCpuNs();
  const auto begin = Clock::now();
  const auto seconds_since = [&] {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  std::atomic<int64_t> batches_left = absl::GetFlag(FLAGS_records) / absl::GetFlag(FLAGS_batch);
  std::vector<std::unique_ptr<Publisher>> publishers;
  for (int i = 0; i < absl::GetFlag(FLAGS_in_flight); ++i) {
    publishers.push_back(std::make_unique<Publisher>(*publish_stub, request, token, batches_left));
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
  const double publish_seconds = seconds_since();
  // What is under way still comes; then every follower has everything.
  progress.Wait(kPatience, [&] {
    return progress.received >= published * subscribers || progress.broken > 0;
  });
  const double all_seconds = seconds_since();
  const double server_cpu_us = static_cast<double>(ServerCpuNs() - cpu_before) * 1e-3;
  bool complete;
  int64_t received;
  {
    const std::lock_guard lock(progress.mutex);
    received = progress.received;
    complete = progress.broken == 0 && received == published * subscribers;
  }
  for (const auto& follower : followers) follower->Cancel();
  progress.Wait(kPatience, [&] { return progress.ended == subscribers; });
  std::printf(
      "{\"published\":%lld,\"failed\":%lld,\"seconds\":%.3f,\"published_per_s\":%.0f,"
      "\"received\":%lld,\"received_per_s\":%.0f,\"complete\":%s,"
      "\"server_cpu_us_per_record\":%.3f,\"server_cpu_us_per_delivery\":%.3f}\n",
      static_cast<long long>(published), static_cast<long long>(failed), all_seconds,
      static_cast<double>(published) / publish_seconds, static_cast<long long>(received),
      static_cast<double>(received) / all_seconds, complete ? "true" : "false",
      server_cpu_us / static_cast<double>(published),
      received == 0 ? 0 : server_cpu_us / static_cast<double>(received));
  return complete && failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace covet::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("covet-stream-load: see --help");
  absl::ParseCommandLine(argc, argv);
  return covet::bench::Run();
}
