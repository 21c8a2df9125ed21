// What a backend offers changes while it is in use.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>

#include "common/backends/backend.h"
#include "common/backends/testing/reflection_server.h"

namespace covet::backends {
namespace {

using google::protobuf::FileDescriptorProto;
using testing::File;
using testing::Holding;
using testing::ReflectionServer;

constexpr auto kPatience = std::chrono::seconds(60);

// shop.v1.Orders with these methods.
FileDescriptorProto Shop(const std::vector<std::string>& methods) {
  FileDescriptorProto file = File("shop.proto");
  file.set_package("shop.v1");
  file.set_syntax("proto3");
  file.add_message_type()->set_name("Nothing");
  auto* const service = file.add_service();
  service->set_name("Orders");
  for (const std::string& name : methods) {
    auto* const method = service->add_method();
    method->set_name(name);
    method->set_input_type(".shop.v1.Nothing");
    method->set_output_type(".shop.v1.Nothing");
  }
  return file;
}

class BackendsRefreshTest : public ::testing::Test {
 protected:
  BackendsRefreshTest()
      : server_("v1", [this](const auto&) {
          const std::lock_guard lock(mutex_);
          ++fetches_;
          changed_.notify_all();
          return Holding({file_});
        }) {}

  void Connect() {
    config::v1::BackendConfig config;
    config.add_addresses(server_.address());
    auto* const service = config.add_services();
    service->set_service("shop.v1.Orders");
    service->set_prefix("orders");
    config.set_max_concurrency(10);
    config.mutable_keepalive_time()->set_seconds(330);
    auto backends = Backends::Create({{"shop", config}},
                                     {.role = "test", .methods_changed = [this](Backend& backend) {
                                        const std::lock_guard lock(mutex_);
                                        generation_ = backend.methods()->generation();
                                        changed_.notify_all();
                                      }});
    ASSERT_TRUE(backends.ok()) << backends.status();
    backends_ = *std::move(backends);
    backends_->Start();
  }
  void Offer(const FileDescriptorProto& file) {
    const std::lock_guard lock(mutex_);
    file_ = file;
  }
  void AwaitGeneration(uint64_t generation) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kPatience, [&] { return generation_ >= generation; }));
  }
  int fetches() {
    const std::lock_guard lock(mutex_);
    return fetches_;
  }
  void AwaitFetches(int count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kPatience, [&] { return fetches_ >= count; }));
  }
  Backend& backend() { return *backends_->Find("shop"); }
  // The error that a call ends with.
  std::string Call(const std::string& name) {
    const auto table = backend().methods();
    std::promise<CallResult> result;
    backend().Call(RefTo(table, table->Find(name)), "{}", {},
                   [&](CallResult done) { result.set_value(std::move(done)); });
    return std::get<CallError>(result.get_future().get()).code;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  FileDescriptorProto file_ = Shop({"GetOrder"});
  int fetches_ = 0;
  uint64_t generation_ = 0;
  ReflectionServer server_;
  std::unique_ptr<Backends> backends_;
};

TEST_F(BackendsRefreshTest, AsksAgainAfterAReconnect) {
  server_.Start();
  Connect();
  AwaitGeneration(1);
  const auto old = backend().methods();
  EXPECT_EQ(old->Find("orders.cancel_order"), nullptr);
  server_.Stop();
  Offer(Shop({"GetOrder", "CancelOrder"}));
  server_.Start();
  AwaitGeneration(2);
  EXPECT_NE(backend().methods()->Find("orders.cancel_order"), nullptr);
  // Who holds on to the old table may go on using it.
  EXPECT_EQ(old->generation(), 1u);
  EXPECT_EQ(old->Find("orders.get_order")->request.descriptor().full_name(), "shop.v1.Nothing");
}

TEST_F(BackendsRefreshTest, AsksAgainWhenAMethodIsGone) {
  server_.Start();
  Connect();
  AwaitGeneration(1);
  Offer(Shop({"FindOrder"}));
  EXPECT_EQ(Call("orders.get_order"), "UNIMPLEMENTED");
  AwaitGeneration(2);
  EXPECT_EQ(backend().methods()->Find("orders.get_order"), nullptr);
  EXPECT_NE(backend().methods()->Find("orders.find_order"), nullptr);
}

TEST_F(BackendsRefreshTest, KeepsTheTableWhileNothingChanges) {
  server_.Start();
  Connect();
  AwaitGeneration(1);
  const auto table = backend().methods();
  const int before = fetches();
  backend().Refresh();
  AwaitFetches(before + 1);
  server_.Stop();
  server_.Start();
  AwaitFetches(before + 2);
  EXPECT_EQ(backend().methods(), table);
}

TEST_F(BackendsRefreshTest, KeepsWhatItHasWhenDescriptorsAreBroken) {
  Offer(File("shop.proto", {"gone.proto"}));
  server_.Start();
  Connect();
  AwaitFetches(2);
  EXPECT_EQ(backend().methods(), nullptr);
  Offer(Shop({"GetOrder"}));
  AwaitGeneration(1);
  EXPECT_EQ(backend().state().last_error, "");
  Offer(File("shop.proto", {"gone.proto"}));
  const int before = fetches();
  backend().Refresh();
  AwaitFetches(before + 3);  // Two for the first try, then the next.
  EXPECT_NE(backend().methods()->Find("orders.get_order"), nullptr);
  EXPECT_EQ(backend().state().last_error, "shop.proto: the import gone.proto is missing");
}

}  // namespace
}  // namespace covet::backends
