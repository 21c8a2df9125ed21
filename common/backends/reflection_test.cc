// Servers whose reflection is broken or means harm.

#include "common/backends/reflection.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "covet/reflection/v1/reflection.pb.h"

namespace covet::backends {
namespace {

using google::protobuf::FileDescriptorProto;
using reflection::v1::ServerReflectionRequest;
using reflection::v1::ServerReflectionResponse;

// Answers a question; none ends the stream.
using Answer =
    std::function<std::optional<ServerReflectionResponse>(const ServerReflectionRequest&)>;

class AnswerReactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit AnswerReactor(const Answer* answer) : answer_(*answer) { StartRead(&request_); }

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
    if (ok) StartRead(&request_);
  }
  void OnDone() override { delete this; }

  const Answer& answer_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

class Unimplemented final : public grpc::ServerGenericBidiReactor {
 public:
  Unimplemented() { Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "")); }
  void OnDone() override { delete this; }
};

class ReflectionTest : public ::testing::Test, private grpc::CallbackGenericService {
 protected:
  ReflectionTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    channel_ = std::make_unique<Channel>(grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                                             grpc::InsecureChannelCredentials()));
  }
  ~ReflectionTest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  absl::StatusOr<ReflectionFetch::Files> Fetch(std::vector<std::string> services,
                                               const protojson::SchemaLimits& limits = {}) {
    std::promise<absl::StatusOr<ReflectionFetch::Files>> promise;
    const auto fetch = ReflectionFetch::Start(
        channel_.get(),
        {.services = std::move(services), .metadata = {}, .limits = limits, .timeout_ms = 60'000},
        [&](absl::StatusOr<ReflectionFetch::Files> files) { promise.set_value(std::move(files)); });
    return promise.get_future().get();
  }

  std::string version_ = "v1";
  Answer answer_;

 private:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    if (context->method() ==
        "/grpc.reflection." + version_ + ".ServerReflection/ServerReflectionInfo") {
      return new AnswerReactor(&answer_);
    }
    return new Unimplemented();
  }

  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Channel> channel_;
};

ServerReflectionResponse NotFound() {
  ServerReflectionResponse response;
  response.mutable_error_response()->set_error_code(5);
  return response;
}

ServerReflectionResponse Holding(const std::vector<FileDescriptorProto>& files) {
  ServerReflectionResponse response;
  for (const auto& file : files) {
    response.mutable_file_descriptor_response()->add_file_descriptor_proto(
        file.SerializeAsString());
  }
  return response;
}

FileDescriptorProto File(const std::string& name, const std::vector<std::string>& imports = {}) {
  FileDescriptorProto file;
  file.set_name(name);
  for (const auto& import : imports) file.add_dependency(import);
  return file;
}

TEST_F(ReflectionTest, FollowsImportsFileByFile) {
  for (const char* version : {"v1", "v1alpha"}) {
    version_ = version;
    std::vector<std::string> questions;
    answer_ = [&](const ServerReflectionRequest& request) {
      questions.push_back(request.file_by_filename() + request.file_containing_symbol());
      if (request.file_containing_symbol() == "a.Service") {
        FileDescriptorProto file = File("a.proto", {"b.proto", "google/protobuf/struct.proto"});
        file.set_package("a");
        file.add_service()->set_name("Service");
        file.add_service()->set_name("Other");
        return Holding({file});
      }
      if (request.file_by_filename() == "b.proto") return Holding({File("b.proto", {"c.proto"})});
      if (request.file_by_filename() == "c.proto") return Holding({File("c.proto")});
      return NotFound();
    };
    const auto files = Fetch({"a.Service", "a.Other", "a.Gone"});
    ASSERT_TRUE(files.ok()) << files.status();
    // The well-known type's file is ours, for the server does not have it.
    ASSERT_EQ(files->size(), 4u);
    EXPECT_TRUE(protojson::Schema::Build(*files).ok());
    EXPECT_EQ(questions, (std::vector<std::string>{"a.Service", "a.Gone", "b.proto",
                                                   "google/protobuf/struct.proto", "c.proto"}));
  }
}

TEST_F(ReflectionTest, TellsThatThereIsNone) {
  version_ = "v9";
  EXPECT_EQ(Fetch({"a.Service"}).status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(ReflectionTest, RefusesWhatIsNoDescriptor) {
  answer_ = [](const ServerReflectionRequest&) {
    ServerReflectionResponse response;
    response.mutable_file_descriptor_response()->add_file_descriptor_proto("\xff\xff\xff");
    return response;
  };
  EXPECT_EQ(Fetch({"a.Service"}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ReflectionTest, BoundsEndlessImports) {
  int next = 0;
  answer_ = [&](const ServerReflectionRequest&) {
    const std::string import = std::to_string(next + 1) + ".proto";
    return Holding({File(std::to_string(next++) + ".proto", {import})});
  };
  EXPECT_EQ(Fetch({"a.Service"}, {.max_files = 50}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_LE(next, 52);
}

TEST_F(ReflectionTest, BoundsBytes) {
  answer_ = [&](const ServerReflectionRequest&) {
    FileDescriptorProto file = File("a.proto");
    file.set_package(std::string(10'000, 'x'));
    return Holding({file});
  };
  EXPECT_EQ(Fetch({"a.Service"}, {.max_bytes = 5'000}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(ReflectionTest, EndsWithAServerThatAnswersOtherQuestions) {
  answer_ = [](const ServerReflectionRequest&) {
    return Holding({File("same.proto", {"never.proto"})});
  };
  const auto files = Fetch({"a.Service", "b.Service"});
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(protojson::Schema::Build(*files).status().message(),
            "same.proto: the import never.proto is missing");
}

TEST_F(ReflectionTest, TellsHowTheStreamFailed) {
  answer_ = [](const ServerReflectionRequest&) { return std::nullopt; };
  const auto files = Fetch({"a.Service"});
  EXPECT_EQ(files.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(files.status().message(), "enough");
}

}  // namespace
}  // namespace covet::backends
