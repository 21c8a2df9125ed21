#include "edge/role/edge_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "common/auth/authenticator.h"
#include "common/metrics/conventions.h"
#include "edge/role/rpc_metrics.h"
#include "edge/role/testing/fake_edge_thread.h"
#include "edge/role/testing/fake_link.h"

namespace covet::edge {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class FakeServer final : public TransportServer {
 public:
  void Listen() override {}
  uint16_t port() const override { return 0; }
  size_t thread_count() const override { return 2; }
  EdgeThread& thread(size_t index) override { return *threads_[index]; }
  size_t open_connections() const override { return 0; }
  void StopAccepting() override {}
  void Drain(std::chrono::milliseconds /*window*/) override {}
  bool WaitUntilClosed(std::chrono::milliseconds /*timeout*/) override { return true; }
  void Stop() override {}

  TransportCounters& counters(size_t index) { return threads_[index]->transport_counters; }

 private:
  const std::vector<std::unique_ptr<FakeEdgeThread>> threads_ = [] {
    std::vector<std::unique_ptr<FakeEdgeThread>> threads;
    threads.push_back(std::make_unique<FakeEdgeThread>(0));
    threads.push_back(std::make_unique<FakeEdgeThread>(1));
    return threads;
  }();
};

class EdgeMetricsTest : public testing::Test {
 protected:
  EdgeMetricsTest() {
    for (uint32_t i = 0; i < 2; ++i) {
      workers_.push_back(
          std::make_unique<EdgeWorker>(i, shared_, link_.client, 1 << 16, &rpc_.link));
    }
    registrations_ =
        RegisterEdgeMetrics(registry_, server_, shared_, link_.client, nullptr, workers_);
    rpc_registrations_ = RegisterEdgeRpcMetrics(registry_, shared_, rpc_.link, workers_);
  }

  FakeLink link_;
  FakeRpcLink rpc_{link_.clock, link_.ids};
  auth::Authenticator authenticator_{std::make_shared<const auth::AuthKeys>(), link_.clock};
  SessionShared shared_{link_.clock,
                        link_.ids,
                        authenticator_,
                        std::make_shared<const SessionSettings>(),
                        std::make_shared<const limits::AttemptLimits>(),
                        1 << 20};
  FakeServer server_;
  std::vector<std::unique_ptr<EdgeWorker>> workers_;
  metrics::Registry registry_;
  std::vector<metrics::CallbackRegistration> registrations_;
  std::vector<metrics::CallbackRegistration> rpc_registrations_;
};

TEST_F(EdgeMetricsTest, SumsOverThreads) {
  server_.counters(0).messages_in.Add(2);
  server_.counters(1).messages_in.Add(3);
  server_.counters(1).open_connections.Add();
  workers_[0]->sessions.counters().CountError("RATE_LIMITED");
  workers_[1]->sessions.counters().CountError("RATE_LIMITED");
  workers_[1]->sessions.counters().CountError("A_BACKENDS_OWN");
  workers_[1]->sessions.counters().CountClose(4413);
  workers_[0]->sessions.counters().CountClose(4000);
  const std::string text = registry_.TextExposition();
  EXPECT_THAT(text, HasSubstr("covet_edge_messages_received_total 5"));
  EXPECT_THAT(text, HasSubstr("covet_edge_connections{thread=\"1\"} 1"));
  EXPECT_THAT(text, HasSubstr("covet_edge_errors_total{code=\"RATE_LIMITED\"} 2"));
  EXPECT_THAT(text, HasSubstr("covet_edge_errors_total{code=\"other\"} 1"));
  EXPECT_THAT(text, HasSubstr("covet_edge_connections_closed_total{code=\"4413\"} 1"));
  EXPECT_THAT(text, HasSubstr("covet_edge_connections_closed_total{code=\"other\"} 1"));
}

TEST_F(EdgeMetricsTest, FollowTheConventionsAndAreDocumented) {
  EXPECT_THAT(metrics::ConventionViolations(registry_.List()), IsEmpty());
  std::ifstream page(COVET_OPERATIONS_PAGE);
  std::stringstream text;
  text << page.rdbuf();
  for (const metrics::MetricInfo& metric : registry_.List()) {
    EXPECT_THAT(text.str(), HasSubstr("| `" + metric.name + "` | " + metric.type + " |"));
  }
}

}  // namespace
}  // namespace covet::edge
