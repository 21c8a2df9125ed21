#pragma once

#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "covet/reflection/v1/reflection.pb.h"

namespace covet::backends::testing {

// A gRPC server that has nothing but reflection, with answers that the test makes up. All other
// methods are UNIMPLEMENTED.
class ReflectionServer {
 public:
  // Answers a question, on a gRPC thread; none ends the stream with ABORTED.
  using Answer = std::function<std::optional<reflection::v1::ServerReflectionResponse>(
      const reflection::v1::ServerReflectionRequest&)>;

  // `version`: `v1` or `v1alpha`.
  ReflectionServer(std::string version, Answer answer);
  ~ReflectionServer();

  // On the port that it had before.
  void Start();
  void Stop();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  class Service;

  const std::string path_;
  const Answer answer_;
  int port_ = 0;
  std::unique_ptr<Service> service_;  // One server's only.
  std::unique_ptr<grpc::Server> server_;
};

reflection::v1::ServerReflectionResponse NotFound();
reflection::v1::ServerReflectionResponse Holding(
    const std::vector<google::protobuf::FileDescriptorProto>& files);
google::protobuf::FileDescriptorProto File(const std::string& name,
                                           const std::vector<std::string>& imports = {});

}  // namespace covet::backends::testing
