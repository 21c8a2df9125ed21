#include "common/backends/testing/reflection_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

namespace covet::backends::testing {
namespace {

using reflection::v1::ServerReflectionRequest;
using reflection::v1::ServerReflectionResponse;

class AnswerReactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit AnswerReactor(const ReflectionServer::Answer* answer) : answer_(*answer) {
    StartRead(&request_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (request_.Dump(&slices).ok()) {
      for (const auto& slice : slices) {
        bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
    ServerReflectionRequest question;
    EXPECT_TRUE(question.ParseFromString(bytes));
    const auto response = answer_(question);
    if (!response.has_value()) return Finish(grpc::Status(grpc::StatusCode::ABORTED, "enough"));
    const std::string out = response->SerializeAsString();
    const grpc::Slice slice(out);
    response_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

  const ReflectionServer::Answer& answer_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

class Unimplemented final : public grpc::ServerGenericBidiReactor {
 public:
  Unimplemented() { Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "")); }
  void OnDone() override { delete this; }
};

}  // namespace

class ReflectionServer::Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(const ReflectionServer* owner) : owner_(*owner) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    if (context->method() == owner_.path_) return new AnswerReactor(&owner_.answer_);
    return new Unimplemented();
  }

 private:
  const ReflectionServer& owner_;
};

ReflectionServer::ReflectionServer(std::string version, Answer answer)
    : path_("/grpc.reflection." + std::move(version) + ".ServerReflection/ServerReflectionInfo"),
      answer_(std::move(answer)) {}

ReflectionServer::~ReflectionServer() { Stop(); }

void ReflectionServer::Start() {
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials(), &port_);
  service_ = std::make_unique<Service>(this);
  builder.RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
  ASSERT_NE(server_, nullptr);
}

void ReflectionServer::Stop() {
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

ServerReflectionResponse NotFound() {
  ServerReflectionResponse response;
  response.mutable_error_response()->set_error_code(5);
  return response;
}

ServerReflectionResponse Holding(const std::vector<google::protobuf::FileDescriptorProto>& files) {
  ServerReflectionResponse response;
  for (const auto& file : files) {
    response.mutable_file_descriptor_response()->add_file_descriptor_proto(
        file.SerializeAsString());
  }
  return response;
}

google::protobuf::FileDescriptorProto File(const std::string& name,
                                           const std::vector<std::string>& imports) {
  google::protobuf::FileDescriptorProto file;
  file.set_name(name);
  for (const auto& import : imports) file.add_dependency(import);
  return file;
}

}  // namespace covet::backends::testing
