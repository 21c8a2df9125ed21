// Servers whose reflection is broken or means harm.

#include "common/backends/reflection.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/backends/testing/reflection_server.h"
#include "covet/reflection/v1/reflection.pb.h"

namespace covet::backends {
namespace {

using google::protobuf::FileDescriptorProto;
using reflection::v1::ServerReflectionRequest;
using reflection::v1::ServerReflectionResponse;
using testing::File;
using testing::Holding;
using testing::NotFound;
using testing::ReflectionServer;

class ReflectionTest : public ::testing::Test {
 protected:
  absl::StatusOr<ReflectionFetch::Files> Fetch(std::vector<std::string> services,
                                               const protojson::SchemaLimits& limits = {}) {
    ReflectionServer server(version_, [this](const auto& request) { return answer_(request); });
    server.Start();
    Channel channel(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
    std::promise<absl::StatusOr<ReflectionFetch::Files>> promise;
    const auto fetch = ReflectionFetch::Start(
        &channel,
        {.services = std::move(services), .metadata = {}, .limits = limits, .timeout_ms = 60'000},
        [&](absl::StatusOr<ReflectionFetch::Files> files) { promise.set_value(std::move(files)); });
    return promise.get_future().get();
  }

  std::string version_ = "v1";
  ReflectionServer::Answer answer_;
};

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
