#include "services/rpc/backend_methods.h"

#include <utility>

#include "common/backends/caller_metadata.h"
#include "common/server/call.h"

namespace covet::rpc {
namespace {

class BackendMethod final : public Method {
 public:
  BackendMethod(backends::Backend& backend, backends::MethodRef method, RpcMetrics& rpc_metrics)
      : owner_(backend), method_(std::move(method)) {
    name = method_->rpc_name;
    grpc_method = method_->name;
    description = method_->description;
    idempotent = method_->idempotent;
    this->backend = owner_.name();
    metrics = &rpc_metrics.Of(owner_.name());
  }

  std::shared_ptr<backends::BackendCall> Call(const CallRequest& request,
                                              backends::CallDone done) const override {
    backends::CallOptions options;
    options.timeout_ms = request.timeout_ms;
    options.metadata = backends::CallerMetadata(request.identity);
    options.metadata.emplace_back(server::kCorrelationIdKey,
                                  backends::MetadataValue(request.correlation_id));
    return owner_.Call(method_, request.params, std::move(options), std::move(done));
  }
  const google::protobuf::Descriptor& params() const override {
    return method_->request.descriptor();
  }
  const google::protobuf::Descriptor& result() const override {
    return method_->response.descriptor();
  }

 private:
  backends::Backend& owner_;
  const backends::MethodRef method_;
};

}  // namespace

std::vector<MethodPtr> BackendMethods(backends::Backend& backend, RpcMetrics& metrics) {
  std::vector<MethodPtr> methods;
  const auto table = backend.methods();
  if (!table) return methods;
  for (const backends::Method& method : table->methods()) {
    if (!method.unary()) continue;
    methods.push_back(
        std::make_shared<BackendMethod>(backend, backends::RefTo(table, &method), metrics));
  }
  return methods;
}

std::vector<AwaitedNames> AwaitedNamesOf(const backends::Backend& backend,
                                         const config::v1::BackendConfig& config) {
  std::vector<AwaitedNames> awaited;
  if (backend.methods()) return awaited;
  for (const config::v1::BackendServiceConfig& offered : config.services()) {
    awaited.push_back({backend.name(), offered.service() + "/"});
    if (!offered.prefix().empty()) awaited.push_back({backend.name(), offered.prefix() + "."});
  }
  return awaited;
}

}  // namespace covet::rpc
