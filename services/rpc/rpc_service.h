#pragma once

#include "common/server/call.h"
#include "covet/rpc/v1/builtin.grpc.pb.h"
#include "covet/rpc/v1/rpc.grpc.pb.h"
#include "services/rpc/builtin_methods.h"
#include "services/rpc/calls.h"

namespace covet::rpc {

// What the gRPC adapters share. All must outlive the gRPC server.
struct ServiceTools {
  const server::CallTools& calls;
  Calls& core;
  const Builtin& builtin;
};

// RpcService: calls of any method over gRPC, on the same path as those of edges.
class RpcService final : public v1::RpcService::CallbackService {
 public:
  explicit RpcService(const ServiceTools& tools) : tools_(tools) {}

  grpc::ServerUnaryReactor* Call(grpc::CallbackServerContext* context,
                                 const v1::CallRequest* request,
                                 v1::CallResponse* response) override;
  grpc::ServerUnaryReactor* ListMethods(grpc::CallbackServerContext* context,
                                        const v1::ListMethodsRequest* request,
                                        v1::ListMethodsResponse* response) override;

 private:
  const ServiceTools tools_;
};

// SystemService and DatabaseService: the built-in methods for who calls them by their gRPC names.
class SystemService final : public v1::SystemService::CallbackService {
 public:
  explicit SystemService(const ServiceTools& tools) : tools_(tools) {}

  grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context,
                                 const v1::PingRequest* request,
                                 v1::PingResponse* response) override;
  grpc::ServerUnaryReactor* Methods(grpc::CallbackServerContext* context,
                                    const v1::ListMethodsRequest* request,
                                    v1::ListMethodsResponse* response) override;

 private:
  const ServiceTools tools_;
};

class DatabaseService final : public v1::DatabaseService::CallbackService {
 public:
  explicit DatabaseService(const ServiceTools& tools) : tools_(tools) {}

  grpc::ServerUnaryReactor* TestConnection(grpc::CallbackServerContext* context,
                                           const v1::TestConnectionRequest* request,
                                           v1::TestConnectionResponse* response) override;

 private:
  const ServiceTools tools_;
};

}  // namespace covet::rpc
