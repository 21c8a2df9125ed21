#include "common/backends/testing/test_backend.h"

#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <utility>

namespace covet::backends::testing {

namespace {

constexpr std::chrono::seconds kPatience(60);

}  // namespace

class TestBackend::Rpc final : public rpc::v1::RpcService::Service {
 public:
  explicit Rpc(TestBackend* backend) : backend_(*backend) {}

  grpc::Status Call(grpc::ServerContext* context, const rpc::v1::CallRequest* request,
                    rpc::v1::CallResponse* response) override {
    std::unique_lock lock(backend_.mutex_);
    ++backend_.calls_;
    if (request->method() == "echo") {
      *response->mutable_result() = request->params();
    } else if (request->method() == "headers") {
      auto& fields = *response->mutable_result()->mutable_structured()->mutable_fields();
      for (const auto& [key, value] : context->client_metadata()) {
        fields[std::string(key.data(), key.size())].set_string_value(
            std::string(value.data(), value.size()));
      }
    } else if (request->method() == "fail") {
      return backend_.failure_;
    } else if (request->method() == "wait") {
      ++backend_.waiting_;
      backend_.changed_.notify_all();
      while (!context->IsCancelled() && !backend_.stopping_) {
        backend_.changed_.wait_for(lock, std::chrono::milliseconds(5));
      }
      if (context->IsCancelled()) ++backend_.cancelled_;
      backend_.changed_.notify_all();
    }
    return grpc::Status::OK;
  }

  grpc::Status ListMethods(grpc::ServerContext*, const rpc::v1::ListMethodsRequest*,
                           rpc::v1::ListMethodsResponse*) override {
    const std::lock_guard lock(backend_.mutex_);
    ++backend_.calls_;
    return backend_.failure_;
  }

 private:
  TestBackend& backend_;
};

class TestBackend::Streams final : public streams::v1::StreamService::Service {
 public:
  explicit Streams(TestBackend* backend) : backend_(*backend) {}

  grpc::Status Subscribe(grpc::ServerContext*, const streams::v1::SubscribeRequest* request,
                         grpc::ServerWriter<streams::v1::SubscribeResponse>* writer) override {
    const bool endless = request->resource_id() == "endless";
    const bool fail = request->resource_id() == "fail";
    const int count = fail ? 1 : endless ? 0 : std::stoi(request->resource_id());
    if (endless) {
      const std::lock_guard lock(backend_.mutex_);
      ++backend_.waiting_;
      backend_.changed_.notify_all();
    }
    for (int i = 1; endless || i <= count; ++i) {
      streams::v1::SubscribeResponse response;
      response.mutable_opened()->set_offset(i);
      // Large, so that flow control shows soon.
      response.mutable_opened()->set_epoch(std::string(endless ? 10'000 : 1, 'e'));
      if (!writer->Write(response)) {
        const std::lock_guard lock(backend_.mutex_);
        ++backend_.cancelled_;
        backend_.changed_.notify_all();
        break;
      }
      const std::lock_guard lock(backend_.mutex_);
      ++backend_.records_;
      if (backend_.stopping_) break;
    }
    return fail ? grpc::Status(grpc::StatusCode::ABORTED, "enough") : grpc::Status::OK;
  }

 private:
  TestBackend& backend_;
};

TestBackend::TestBackend(std::shared_ptr<grpc::ServerCredentials> credentials)
    : credentials_(credentials ? std::move(credentials) : grpc::InsecureServerCredentials()),
      rpc_(std::make_unique<Rpc>(this)),
      streams_(std::make_unique<Streams>(this)) {
  static const bool enabled = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::EnableDefaultHealthCheckService(true);
    return true;
  }();
  EXPECT_TRUE(enabled);
}

TestBackend::~TestBackend() { Stop(); }

void TestBackend::Start() {
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), credentials_, &port_);
  builder.RegisterService(rpc_.get());
  builder.RegisterService(streams_.get());
  stopping_ = false;
  server_ = builder.BuildAndStart();
  ASSERT_NE(server_, nullptr);
  SetServing(true);
}

void TestBackend::Stop() {
  if (!server_) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

config::v1::BackendConfig TestBackend::Config() const {
  config::v1::BackendConfig config;
  config.add_addresses("127.0.0.1:" + std::to_string(port_));
  auto* const rpc = config.add_services();
  rpc->set_service("covet.rpc.v1.RpcService");
  rpc->set_prefix("rpc");
  rpc->add_idempotent_methods("ListMethods");
  config.add_services()->set_service("covet.streams.v1.StreamService");
  config.set_max_concurrency(100);
  config.mutable_circuit_breaker()->mutable_open_for()->set_seconds(3600);
  config.mutable_keepalive_time()->set_seconds(330);
  return config;
}

void TestBackend::SetFailure(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  failure_ = status;
}

void TestBackend::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void TestBackend::AwaitWaiting(int count) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return waiting_ >= count; }));
}

void TestBackend::AwaitCancelled(int count) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return cancelled_ >= count; }));
}

int TestBackend::calls() {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int64_t TestBackend::records_sent() {
  const std::lock_guard lock(mutex_);
  return records_;
}

void WriteDescriptorSet(const std::vector<const google::protobuf::FileDescriptor*>& files,
                        const std::string& path) {
  google::protobuf::FileDescriptorSet set;
  std::vector<const google::protobuf::FileDescriptor*> todo = files;
  while (!todo.empty()) {
    const auto* const file = todo.back();
    todo.pop_back();
    file->CopyTo(set.add_file());
    for (int i = 0; i < file->dependency_count(); ++i) todo.push_back(file->dependency(i));
  }
  const std::string fresh = path + ".new";
  std::ofstream(fresh, std::ios::binary) << set.SerializeAsString();
  std::filesystem::rename(fresh, path);
}

}  // namespace covet::backends::testing
