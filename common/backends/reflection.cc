#include "common/backends/reflection.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>

#include "absl/base/thread_annotations.h"
#include "common/errors/grpc_errors.h"
#include "covet/reflection/v1/reflection.pb.h"

namespace covet::backends {
namespace {

using google::protobuf::FileDescriptorProto;
using reflection::v1::ServerReflectionRequest;
using reflection::v1::ServerReflectionResponse;

constexpr const char* kMethods[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

// What has been found so far, and what to ask next. Knows nothing of gRPC.
class Collector {
 public:
  Collector(std::vector<std::string> services, const protojson::SchemaLimits& limits)
      : services_(services.begin(), services.end()), limits_(limits) {}

  // False if nothing is left to ask.
  bool NextQuestion(ServerReflectionRequest* request) {
    while (!services_.empty()) {
      const std::string service = std::move(services_.front());
      services_.pop_front();
      if (declared_.contains(service)) continue;
      request->set_file_containing_symbol(service);
      return true;
    }
    while (!imports_.empty()) {
      asked_ = std::move(imports_.front());
      imports_.pop_front();
      if (known_.contains(asked_)) continue;
      request->set_file_by_filename(asked_);
      return true;
    }
    return false;
  }

  absl::Status Answer(const ServerReflectionResponse& response) {
    const std::string asked = std::exchange(asked_, "");
    if (response.has_error_response()) {
      // Few servers know the files of the well-known types by name. Of other files and of services
      // Schema and MethodTable tell what is missing.
      if (!asked.empty()) AddWellKnown(asked);
      return absl::OkStatus();
    }
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      bytes_ += bytes.size();
      if (bytes_ > limits_.max_bytes) {
        return absl::ResourceExhaustedError("the server's descriptors have more than " +
                                            std::to_string(limits_.max_bytes) + " bytes");
      }
      FileDescriptorProto file;
      if (!file.ParseFromString(bytes)) {
        return absl::InvalidArgumentError("the server's reflection sent what is no descriptor");
      }
      if (absl::Status status = Add(std::move(file)); !status.ok()) return status;
    }
    if (!asked.empty()) known_.insert(asked);  // Even if the answer was something else.
    return absl::OkStatus();
  }

  ReflectionFetch::Files Take() { return std::move(files_); }

 private:
  absl::Status Add(FileDescriptorProto file) {
    if (!known_.insert(file.name()).second) return absl::OkStatus();
    if (files_.size() == limits_.max_files) {
      return absl::ResourceExhaustedError("the server's reflection has more than " +
                                          std::to_string(limits_.max_files) + " files");
    }
    const std::string prefix = file.package().empty() ? "" : file.package() + ".";
    for (const auto& service : file.service()) declared_.insert(prefix + service.name());
    for (const std::string& import : file.dependency()) {
      if (known_.contains(import)) continue;
      if (imports_.size() > 10 * limits_.max_files) {
        return absl::ResourceExhaustedError("the server's descriptors import too much");
      }
      imports_.push_back(import);
    }
    files_.push_back(std::move(file));
    return absl::OkStatus();
  }

  void AddWellKnown(const std::string& name) {
    known_.insert(name);
    if (!name.starts_with("google/protobuf/")) return;
    const auto* const file =
        google::protobuf::DescriptorPool::generated_pool()->FindFileByName(name);
    if (file == nullptr) return;
    file->CopyTo(&files_.emplace_back());
    file->CopyJsonNameTo(&files_.back());
    for (int i = 0; i < file->dependency_count(); ++i) {
      imports_.push_back(file->dependency(i)->name());
    }
  }

  std::deque<std::string> services_;
  std::deque<std::string> imports_;
  protojson::SchemaLimits limits_;
  std::string asked_;  // The file, if it was one.
  std::set<std::string> known_;
  std::set<std::string> declared_;
  size_t bytes_ = 0;
  ReflectionFetch::Files files_;
};

// One question at a time over one stream; a second stream if the server lacks v1.
class Fetch final
    : public ReflectionFetch,
      public grpc::ClientBidiReactor<ServerReflectionRequest, ServerReflectionResponse>,
      public std::enable_shared_from_this<Fetch> {
 public:
  Fetch(Channel* channel, Options options, Done done)
      : stub_(std::in_place, channel->channel),
        options_(std::move(options)),
        done_(std::move(done)),
        collector_(options_.services, options_.limits) {}

  void Begin() {
    self_ = shared_from_this();
    Open();
  }

  void Cancel() override {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (context_) context_->TryCancel();
  }

 private:
  void Open() {
    {
      std::lock_guard lock(mutex_);
      context_ = std::make_unique<grpc::ClientContext>();
      if (cancelled_) context_->TryCancel();
    }
    context_->set_deadline(std::chrono::system_clock::now() +
                           std::chrono::milliseconds(options_.timeout_ms));
    for (const auto& [key, value] : options_.metadata) context_->AddMetadata(key, value);
    stub_->PrepareBidiStreamingCall(context_.get(), kMethods[version_], grpc::StubOptions(), this);
    failed_.store(false);
    collector_ = Collector(options_.services, options_.limits);
    Ask();
    StartCall();
  }

  void Ask() {
    request_.Clear();
    if (!collector_.NextQuestion(&request_)) {
      finished_ = true;
      StartWritesDone();
      return;
    }
    under_way_.store(2);
    StartWrite(&request_);
    StartRead(&response_);
  }

  // The answer may come before the question counts as written.
  void OnWriteDone(bool ok) override { Step(ok); }

  void OnReadDone(bool ok) override { Step(ok); }

  void Step(bool ok) {
    if (!ok) failed_.store(true);
    if (under_way_.fetch_sub(1) != 1 || failed_.load()) return;  // OnDone follows a failure.
    problem_ = collector_.Answer(response_);
    if (problem_.ok()) {
      Ask();
    } else {
      context_->TryCancel();
    }
  }

  void OnDone(const grpc::Status& status) override {
    bool cancelled;
    {
      std::lock_guard lock(mutex_);
      context_.reset();
      cancelled = cancelled_;
    }
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && !cancelled &&
        version_ + 1 < std::size(kMethods)) {
      ++version_;
      Open();
      return;
    }
    const std::shared_ptr<Fetch> self = std::move(self_);
    stub_.reset();
    absl::StatusOr<Files> result = absl::InternalError("");
    if (!problem_.ok()) {
      result = problem_;
    } else if (finished_) {
      result = collector_.Take();
    } else if (!status.ok()) {
      result = FromGrpcStatus(status);
    } else {
      result = absl::InternalError("the server's reflection ended before it had answered");
    }
    std::exchange(done_, nullptr)(std::move(result));
  }

  // Let go before `done`, for it holds on to the channel.
  std::optional<grpc::TemplatedGenericStub<ServerReflectionRequest, ServerReflectionResponse>>
      stub_;
  const Options options_;
  Done done_;
  Collector collector_;
  size_t version_ = 0;
  std::atomic<int> under_way_{0};  // Of a write and a read.
  std::atomic<bool> failed_{false};
  bool finished_ = false;
  absl::Status problem_;
  ServerReflectionRequest request_;
  ServerReflectionResponse response_;
  std::mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<grpc::ClientContext> context_;  // Replaced under the mutex.
  std::shared_ptr<Fetch> self_;
};

}  // namespace

std::shared_ptr<ReflectionFetch> ReflectionFetch::Start(Channel* channel, Options options,
                                                        Done done) {
  auto fetch = std::make_shared<Fetch>(channel, std::move(options), std::move(done));
  fetch->Begin();
  return fetch;
}

}  // namespace covet::backends
