#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "covet/rpc/v1/builtin.pb.h"
#include "services/rpc/method.h"
#include "services/rpc/rpc_metrics.h"

namespace covet::rpc {

// A method that keeps its calls until the test ends them.
class HeldMethod final : public Method {
 public:
  class HeldCall final : public backends::BackendCall {
   public:
    explicit HeldCall(backends::CallDone done) : done(std::move(done)) {}
    void Cancel() override {
      ++cancels;
      if (on_cancel) on_cancel();
    }
    backends::CallDone done;
    std::function<void()> on_cancel;
    int cancels = 0;
    std::string user_id;
    std::string correlation_id;
    std::string params;
    int64_t timeout_ms = 0;
  };

  HeldMethod(std::string method_name, std::string grpc_name, std::string owner,
             RpcMetrics* rpc_metrics) {
    name = std::move(method_name);
    grpc_method = std::move(grpc_name);
    backend = std::move(owner);
    if (rpc_metrics != nullptr) metrics = &rpc_metrics->Of(backend);
  }

  std::shared_ptr<backends::BackendCall> Call(const CallRequest& request,
                                              backends::CallDone done) const override {
    auto call = std::make_shared<HeldCall>(std::move(done));
    call->user_id = request.identity.user_id();
    call->correlation_id = std::string(request.correlation_id);
    call->params = std::string(request.params);
    call->timeout_ms = request.timeout_ms;
    calls.push_back(call);
    return call;
  }
  const google::protobuf::Descriptor& params() const override {
    return *v1::PingRequest::descriptor();
  }
  const google::protobuf::Descriptor& result() const override {
    return *v1::PingResponse::descriptor();
  }

  mutable std::vector<std::shared_ptr<HeldCall>> calls;
};

}  // namespace covet::rpc
