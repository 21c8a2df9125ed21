// Backends against a real gRPC server within the process.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "common/backends/backend.h"
#include "common/backends/testing/test_backend.h"
#include "common/eventlog/temp_directory.h"
#include "common/metrics/metrics.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace covet::backends {
namespace {

using ::testing::HasSubstr;
using testing::TestBackend;

constexpr auto kPatience = std::chrono::seconds(60);

// Waits for changes of methods.
class Changes {
 public:
  MethodsChanged callback() {
    return [this](Backend& backend) {
      const std::lock_guard lock(mutex_);
      generations_[backend.name()] = backend.methods()->generation();
      changed_.notify_all();
    };
  }
  void Await(const std::string& name, uint64_t generation) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        changed_.wait_for(lock, kPatience, [&] { return generations_[name] >= generation; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, uint64_t> generations_;
};

class Reader final : public StreamReader {
 public:
  void OnRecord(std::string json) override {
    const std::lock_guard lock(mutex_);
    records_.push_back(std::move(json));
    changed_.notify_all();
  }
  void OnEnd(const CallError* error) override {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (error != nullptr) error_ = *error;
    changed_.notify_all();
  }
  std::vector<std::string> AwaitRecords(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return records_.size() >= count; }));
    return records_;
  }
  CallError AwaitEnd() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return ended_; }));
    return error_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> records_;
  bool ended_ = false;
  CallError error_;
};

class BackendsTest : public ::testing::Test {
 protected:
  // The backend `one`, with a schema.
  Backend& Connect(const config::v1::BackendConfig& config) {
    Create({{"one", config}});
    changes_.Await("one", 1);
    return *backends_->Find("one");
  }
  void Create(const std::map<std::string, config::v1::BackendConfig>& configs) {
    auto backends = Backends::Create(
        configs, {.role = "test", .metrics = &metrics_, .methods_changed = changes_.callback()});
    ASSERT_TRUE(backends.ok()) << backends.status();
    backends_ = *std::move(backends);
    backends_->Start();
  }
  static MethodRef MethodOf(Backend& backend, std::string_view name) {
    const auto table = backend.methods();
    const Method* const method = table->Find(name);
    EXPECT_NE(method, nullptr) << name;
    return RefTo(table, method);
  }
  struct Pending {
    std::shared_ptr<BackendCall> call;
    std::future<CallResult> result;
  };
  static Pending Begin(Backend& backend, std::string_view method, std::string_view params,
                       const CallOptions& options = {.timeout_ms = 60'000, .metadata = {}}) {
    auto promise = std::make_shared<std::promise<CallResult>>();
    Pending pending;
    pending.result = promise->get_future();
    pending.call =
        backend.Call(MethodOf(backend, method), params, options,
                     [promise](CallResult result) { promise->set_value(std::move(result)); });
    return pending;
  }
  static CallResult Call(Backend& backend, std::string_view method, std::string_view params,
                         const CallOptions& options = {.timeout_ms = 60'000, .metadata = {}}) {
    return Begin(backend, method, params, options).result.get();
  }
  static CallError ErrorOf(const CallResult& result) {
    const auto* const error = std::get_if<CallError>(&result);
    EXPECT_NE(error, nullptr) << "succeeded";
    return error == nullptr ? CallError() : *error;
  }
  static std::string Text(const CallResult& result) {
    const auto* const json = std::get_if<std::string>(&result);
    return json != nullptr ? *json : std::get<CallError>(result).message;
  }

  metrics::Registry metrics_;
  Changes changes_;
  TestBackend server_;
  std::unique_ptr<Backends> backends_;
};

TEST_F(BackendsTest, FindsMethodsAndCallsThem) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  EXPECT_TRUE(backend.state().connected);
  EXPECT_EQ(backend.state().last_error, "");
  EXPECT_TRUE(backend.methods()->missing().empty());
  EXPECT_EQ(Text(Call(backend, "rpc.call", R"({"method":"echo","params":{"json":"[1]"}})")),
            R"({"result":{"json":"[1]"}})");
  EXPECT_EQ(Text(Call(backend, "covet.rpc.v1.RpcService/Call",
                      R"({"method":"echo","params":{"structured":{"a":[1,null]}}})")),
            R"({"result":{"structured":{"a":[1,null]}}})");
  EXPECT_THAT(metrics_.TextExposition(),
              HasSubstr("covet_backend_connected{backend=\"one\",role=\"test\"} 1"));
}

TEST_F(BackendsTest, NamesWhatIsWrongWithParams) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  const CallError error = ErrorOf(Call(backend, "rpc.call", R"({"mehtod":"echo"})"));
  EXPECT_EQ(error.code, "INVALID_ARGUMENT");
  EXPECT_THAT(error.details, HasSubstr(R"("field":"params.mehtod")"));
  EXPECT_EQ(server_.calls(), 0);
}

TEST_F(BackendsTest, SendsMetadata) {
  server_.Start();
  config::v1::BackendConfig config = server_.Config();
  (*config.mutable_metadata())["x-api-key"].set_value("the-key");
  Backend& backend = Connect(config);
  const std::string headers =
      Text(Call(backend, "rpc.call", R"({"method":"headers"})",
                {.timeout_ms = 60'000, .metadata = {{"x-correlation-id", "c-1"}}}));
  EXPECT_THAT(headers, HasSubstr(R"("x-api-key":"the-key")"));
  EXPECT_THAT(headers, HasSubstr(R"("x-correlation-id":"c-1")"));
  for (const auto& [key, value] : {std::pair("Upper", "x"), std::pair("grpc-timeout", "1S"),
                                   std::pair("x-text", "\xff"), std::pair("", "x")}) {
    EXPECT_EQ(ErrorOf(Call(backend, "rpc.call", R"({"method":"headers"})",
                           {.timeout_ms = 60'000, .metadata = {{key, value}}}))
                  .code,
              "INVALID_ARGUMENT")
        << key;
  }
}

TEST_F(BackendsTest, PassesErrorsOnWithTheirDetails) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  google::rpc::ErrorInfo info;
  info.set_reason("OUT_OF_TEA");
  (*info.mutable_metadata())["kind"] = "green";
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  google::rpc::Status rich;
  rich.set_code(9);
  rich.add_details()->PackFrom(info);
  rich.add_details()->PackFrom(retry);
  server_.SetFailure(
      grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "no tea", rich.SerializeAsString()));
  CallError error = ErrorOf(Call(backend, "rpc.call", R"({"method":"fail"})"));
  EXPECT_EQ(error.code, "OUT_OF_TEA");
  EXPECT_EQ(error.message, "no tea");
  EXPECT_EQ(error.details, R"({"kind":"green"})");
  EXPECT_EQ(error.retry_after_ms, 2000);
  EXPECT_EQ(error.grpc_status, 9);
  server_.SetFailure(grpc::Status(grpc::StatusCode::NOT_FOUND, "nothing"));
  error = ErrorOf(Call(backend, "rpc.call", R"({"method":"fail"})"));
  EXPECT_EQ(error.code, "NOT_FOUND");
  EXPECT_EQ(error.details, "");
}

TEST_F(BackendsTest, CancelsAndTimesOut) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  Pending pending = Begin(backend, "rpc.call", R"({"method":"wait"})");
  server_.AwaitWaiting(1);
  EXPECT_EQ(backend.state().in_flight, 1);
  pending.call->Cancel();
  pending.call->Cancel();
  EXPECT_EQ(ErrorOf(pending.result.get()).code, "CANCELLED");
  server_.AwaitCancelled(1);
  EXPECT_EQ(
      ErrorOf(Call(backend, "rpc.call", R"({"method":"wait"})", {.timeout_ms = 50, .metadata = {}}))
          .code,
      "RPC_TIMEOUT");
  server_.AwaitCancelled(2);
  const int before = server_.calls();
  EXPECT_EQ(
      ErrorOf(Call(backend, "rpc.call", R"({"method":"echo"})", {.timeout_ms = -1, .metadata = {}}))
          .code,
      "RPC_TIMEOUT");
  EXPECT_EQ(server_.calls(), before);
}

TEST_F(BackendsTest, StartsWithoutItsBackendAndFindsItLater) {
  server_.Start();
  const config::v1::BackendConfig config = server_.Config();
  server_.Stop();
  Create({{"one", config}});
  Backend& backend = *backends_->Find("one");
  EXPECT_EQ(backend.methods(), nullptr);
  EXPECT_EQ(backend.state().last_error, "not connected");
  EXPECT_EQ(backends_->Find("two"), nullptr);
  server_.Start();
  changes_.Await("one", 1);
  EXPECT_EQ(Text(Call(backend, "rpc.call", R"({"method":"echo"})")), R"({"result":{}})");
}

TEST_F(BackendsTest, RepeatsOnlyIdempotentMethodsAndOnlyWhatIsUnavailable) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  server_.SetFailure(grpc::Status(grpc::StatusCode::ABORTED, "no"));
  EXPECT_EQ(ErrorOf(Call(backend, "rpc.list_methods", "{}")).message, "no");
  EXPECT_EQ(server_.calls(), 1);
  server_.SetFailure(grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now"));
  EXPECT_EQ(ErrorOf(Call(backend, "rpc.list_methods", "{}")).message, "not now");
  EXPECT_EQ(server_.calls(), 5);
  EXPECT_EQ(backend.state().retries, 3);
  server_.Stop();
  EXPECT_EQ(ErrorOf(Call(backend, "rpc.call", "{}")).code, "UNAVAILABLE");
  EXPECT_EQ(backend.state().retries, 3);
  EXPECT_EQ(ErrorOf(Call(backend, "rpc.list_methods", "{}")).code, "UNAVAILABLE");
  EXPECT_EQ(backend.state().retries, 6);
  // Cancelled while it waits for another attempt, or during one.
  Pending pending = Begin(backend, "rpc.list_methods", "{}");
  pending.call->Cancel();
  const std::string code = ErrorOf(pending.result.get()).code;
  EXPECT_TRUE(code == "CANCELLED" || code == "UNAVAILABLE") << code;
}

TEST_F(BackendsTest, LeavesAFailingBackendAlone) {
  server_.Start();
  config::v1::BackendConfig config = server_.Config();
  config.mutable_circuit_breaker()->set_failures(2);
  Backend& backend = Connect(config);
  server_.SetFailure(grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now"));
  for (int i = 0; i < 2; ++i) Call(backend, "rpc.call", R"({"method":"fail"})");
  const CallError error = ErrorOf(Call(backend, "rpc.call", R"({"method":"echo"})"));
  EXPECT_EQ(error.code, "UNAVAILABLE");
  EXPECT_GT(error.retry_after_ms, 0);
  EXPECT_EQ(server_.calls(), 2);
  EXPECT_EQ(backend.state().breaker, BreakerState::kOpen);
  EXPECT_EQ(backend.state().refused, 1);
}

TEST_F(BackendsTest, BoundsCallsInFlight) {
  server_.Start();
  config::v1::BackendConfig config = server_.Config();
  config.set_max_concurrency(1);
  Backend& backend = Connect(config);
  Pending pending = Begin(backend, "rpc.call", R"({"method":"wait"})");
  EXPECT_EQ(ErrorOf(Call(backend, "rpc.call", R"({"method":"echo"})")).code, "UNAVAILABLE");
  EXPECT_EQ(backend.state().refused, 1);
  pending.call->Cancel();
  pending.result.get();
}

TEST_F(BackendsTest, ReadsAStreamRecordByRecord) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  Reader reader;
  const auto stream =
      backend.OpenStream(MethodOf(backend, "covet.streams.v1.StreamService/Subscribe"),
                         R"({"resource_id":"3"})", {.timeout_ms = 0, .metadata = {}}, &reader);
  for (size_t i = 1; i <= 3; ++i) {
    stream->Next();
    const auto records = reader.AwaitRecords(i);
    ASSERT_EQ(records.size(), i);
    EXPECT_EQ(records.back(), R"({"opened":{"epoch":"e","offset":")" + std::to_string(i) +
                                  R"(","recovered":false}})");
  }
  stream->Next();
  EXPECT_EQ(reader.AwaitEnd().code, "");
}

TEST_F(BackendsTest, HoldsBackAStreamThatNobodyReads) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  Reader reader;
  const auto stream = backend.OpenStream(
      MethodOf(backend, "covet.streams.v1.StreamService/Subscribe"), R"({"resource_id":"endless"})",
      {.timeout_ms = 0, .metadata = {}}, &reader);
  server_.AwaitWaiting(1);
  stream->Next();
  reader.AwaitRecords(1);
  // Without a read only what fits the windows may be sent: give it time to overrun them, if it did.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(server_.records_sent(), 2'000);
  stream->Cancel();
  EXPECT_EQ(reader.AwaitEnd().code, "CANCELLED");
  server_.AwaitCancelled(1);
}

// Gives its stream up at the first record, while the next, which it has asked for, comes.
class Quitter final : public StreamReader {
 public:
  void OnRecord(std::string) override {
    if (gave_up_.exchange(true)) return;
    stream->Next();
    stream->Cancel();
  }
  void OnEnd(const CallError* error) override {
    end.set_value(error == nullptr ? "" : error->code);
  }

  std::shared_ptr<BackendStream> stream;  // Set before the first record is asked for.
  std::promise<std::string> end;

 private:
  std::atomic<bool> gave_up_{false};  // The next record may come while the first is looked at.
};

TEST_F(BackendsTest, EndsAStreamThatIsCancelledWhileARecordComes) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  const MethodRef method = MethodOf(backend, "covet.streams.v1.StreamService/Subscribe");
  // The second record is nearly always there when the stream is cancelled, but need not be.
  for (int i = 1; i <= 20; ++i) {
    Quitter reader;
    reader.stream = backend.OpenStream(method, R"({"resource_id":"endless"})",
                                       {.timeout_ms = 0, .metadata = {}}, &reader);
    server_.AwaitWaiting(i);
    reader.stream->Next();
    std::future<std::string> end = reader.end.get_future();
    const std::future_status ended = end.wait_for(kPatience);
    reader.stream->Cancel();  // Ends also one that hangs, for `reader` goes.
    EXPECT_EQ(end.get(), "CANCELLED");
    ASSERT_EQ(ended, std::future_status::ready);
  }
  server_.AwaitCancelled(20);
}

TEST_F(BackendsTest, TellsHowAStreamEnds) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  const MethodRef method = MethodOf(backend, "covet.streams.v1.StreamService/Subscribe");
  Reader reader;
  const auto stream = backend.OpenStream(method, R"({"resource_id":"fail"})",
                                         {.timeout_ms = 0, .metadata = {}}, &reader);
  stream->Next();
  reader.AwaitRecords(1);
  stream->Next();
  EXPECT_EQ(reader.AwaitEnd().code, "ABORTED");
  Reader refused;
  backend.OpenStream(method, R"({"resource":"x"})", {.timeout_ms = 0, .metadata = {}}, &refused);
  EXPECT_EQ(refused.AwaitEnd().code, "INVALID_ARGUMENT");
  EXPECT_THAT(refused.AwaitEnd().details, HasSubstr("request.resource"));
  // Cancelled before it can have begun.
  Reader early;
  backend
      .OpenStream(method, R"({"resource_id":"endless"})", {.timeout_ms = 0, .metadata = {}}, &early)
      ->Cancel();
  EXPECT_EQ(early.AwaitEnd().code, "CANCELLED");
}

TEST_F(BackendsTest, EndsWhatIsInFlightWhenItStops) {
  server_.Start();
  Backend& backend = Connect(server_.Config());
  Pending pending = Begin(backend, "rpc.call", R"({"method":"wait"})");
  Reader reader;
  const auto stream = backend.OpenStream(
      MethodOf(backend, "covet.streams.v1.StreamService/Subscribe"), R"({"resource_id":"endless"})",
      {.timeout_ms = 0, .metadata = {}}, &reader);
  server_.AwaitWaiting(2);
  const MethodRef method = MethodOf(backend, "rpc.call");
  backends_->Stop();
  EXPECT_EQ(ErrorOf(pending.result.get()).code, "CANCELLED");
  EXPECT_EQ(reader.AwaitEnd().code, "CANCELLED");
  CallError refused;
  backend.Call(method, "{}", {}, [&](CallResult result) { refused = ErrorOf(result); });
  EXPECT_EQ(refused.code, "UNAVAILABLE");
  stream->Next();
  stream->Cancel();
}

TEST_F(BackendsTest, SpreadsCallsOverHealthyAddresses) {
  TestBackend other;
  server_.Start();
  other.Start();
  config::v1::BackendConfig config = server_.Config();
  config.add_addresses("127.0.0.1:" + std::to_string(other.port()));
  Backend& backend = Connect(config);
  // Both are connected after a while.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while ((server_.calls() == 0 || other.calls() == 0) &&
         std::chrono::steady_clock::now() < deadline) {
    Call(backend, "rpc.call", R"({"method":"echo"})");
  }
  EXPECT_GT(server_.calls(), 0);
  EXPECT_GT(other.calls(), 0);
  // One that says it does not serve gets no calls, once that is known.
  other.SetServing(false);
  int same = 0;
  for (int before = other.calls(); same < 20 && std::chrono::steady_clock::now() < deadline;) {
    Call(backend, "rpc.call", R"({"method":"echo"})");
    same = other.calls() == before ? same + 1 : 0;
    before = other.calls();
  }
  EXPECT_EQ(same, 20);
}

TEST_F(BackendsTest, ReadsADescriptorSetAndReadsItAgain) {
  server_.Start();
  const eventlog::TempDirectory directory;
  const std::string file = directory.File("set");
  const auto* const rpc = rpc::v1::CallRequest::descriptor()->file();
  const auto* const streams = streams::v1::SubscribeRequest::descriptor()->file();
  testing::WriteDescriptorSet({rpc}, file);
  config::v1::BackendConfig config = server_.Config();
  config.set_descriptor_set(file);
  Create({{"one", config}});
  Backend& backend = *backends_->Find("one");
  ASSERT_NE(backend.methods(), nullptr);
  changes_.Await("one", 1);
  EXPECT_THAT(backend.methods()->missing(),
              ::testing::ElementsAre("covet.streams.v1.StreamService"));
  EXPECT_EQ(Text(Call(backend, "rpc.call", R"({"method":"echo"})")), R"({"result":{}})");
  testing::WriteDescriptorSet({rpc, streams}, file);
  backend.Refresh();
  changes_.Await("one", 2);
  EXPECT_TRUE(backend.methods()->missing().empty());
}

TEST_F(BackendsTest, RefusesWhatCannotBeOpened) {
  const auto problem = [](const config::v1::BackendConfig& config) {
    return std::string(Backends::Create({{"shop", config}}, {}).status().message());
  };
  config::v1::BackendConfig config = server_.Config();
  config.set_descriptor_set("/no/such/file");
  EXPECT_EQ(problem(config), "backends.shop: cannot read /no/such/file: No such file or directory");
  config = server_.Config();
  config.mutable_tls()->set_cert_file("/no/such/cert");
  EXPECT_EQ(problem(config), "backends.shop: tls: cert_file and key_file belong together");
  config.mutable_tls()->set_key_file("/no/such/key");
  EXPECT_EQ(problem(config), "backends.shop: cannot read /no/such/cert: No such file or directory");
  config = server_.Config();
  (*config.mutable_metadata())["Bad Key"].set_value("x");
  EXPECT_EQ(problem(config), "backends.shop: gRPC sends no metadata `Bad Key`");
}

TEST_F(BackendsTest, TellsOfServicesThatTheBackendLacks) {
  server_.Start();
  config::v1::BackendConfig config = server_.Config();
  config.add_services()->set_service("shop.v1.Orders");
  Backend& backend = Connect(config);
  EXPECT_EQ(backend.state().last_error, "the backend lacks shop.v1.Orders");
}

}  // namespace
}  // namespace covet::backends
