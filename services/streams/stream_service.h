#pragma once

#include "common/base/executor.h"
#include "common/server/call.h"
#include "covet/streams/v1/streams.grpc.pb.h"
#include "services/streams/domain/streams_core.h"

namespace covet::streams {

// What the adapters share. All must outlive the gRPC server.
struct ServiceTools {
  const server::CallTools& calls;
  const Clock& clock;
  Executor& executor;  // The core's.
  Executor& delivery;  // Where what readers get is filtered and written.
  StreamsCore& core;
};

// StreamService over the core. Records are scanned on gRPC's threads.
class StreamService final : public v1::StreamService::CallbackService {
 public:
  explicit StreamService(const ServiceTools& tools) : tools_(tools) {}

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const v1::PublishRequest* request,
                                    v1::PublishResponse* response) override;
  grpc::ServerReadReactor<v1::PublishRequest>* PublishStream(
      grpc::CallbackServerContext* context, v1::PublishStreamResponse* response) override;
  grpc::ServerWriteReactor<v1::SubscribeResponse>* Subscribe(
      grpc::CallbackServerContext* context, const v1::SubscribeRequest* request) override;
  grpc::ServerUnaryReactor* ListResources(grpc::CallbackServerContext* context,
                                          const v1::ListResourcesRequest* request,
                                          v1::ListResourcesResponse* response) override;
  grpc::ServerUnaryReactor* GetHistory(grpc::CallbackServerContext* context,
                                       const v1::GetHistoryRequest* request,
                                       v1::GetHistoryResponse* response) override;

 private:
  const ServiceTools tools_;
};

// What is left of the record's time, if it has one.
void SetTtl(const StoredRecord& record, int64_t now_ms, v1::Record* out);

// Who calls, as the core knows callers.
StreamCaller CallerOf(const server::CallInfo& call);

}  // namespace covet::streams
