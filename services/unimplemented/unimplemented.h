#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/server/call_authenticator.h"
#include "common/server/role.h"

// What the roles share that are declared and reachable but do nothing yet.
namespace covet::unimplemented {

// What a call ends with: the authenticator's refusal, or UNIMPLEMENTED for a caller who is known.
// So nobody learns more from a role that does nothing than from one that works. `full_method` is
// `/package.Service/Method`.
grpc::Status Refusal(server::CallAuthenticator& authenticator,
                     const grpc::CallbackServerContext& context, std::string_view full_method);

// Reactors that end their call at once and delete themselves.
template <typename Request>
class ReadRefusal final : public grpc::ServerReadReactor<Request> {
 public:
  explicit ReadRefusal(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};
template <typename Response>
class WriteRefusal final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit WriteRefusal(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};
template <typename Request, typename Response>
class BidiRefusal final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit BidiRefusal(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

// A role that serves gRPC services and holds nothing else.
class ServiceRole final : public server::Role {
 public:
  ServiceRole(std::string_view name, std::vector<std::unique_ptr<grpc::Service>> services)
      : name_(name), services_(std::move(services)) {}

  std::string_view name() const override { return name_; }
  std::vector<grpc::Service*> services() override;
  absl::Status Start() override { return absl::OkStatus(); }
  bool Ready() const override { return true; }
  void Drain(int64_t, std::function<void()> done) override { done(); }
  void Stop() override {}
  void Reload(std::shared_ptr<const config::v1::Config>) override {}

 private:
  std::string name_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
};

}  // namespace covet::unimplemented
