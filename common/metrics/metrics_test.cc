#include "common/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "common/metrics/conventions.h"
#include "common/metrics/process_collector.h"

namespace covet::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(RegistryTest, SameNameAndLabelsShareOneMetric) {
  Registry registry;
  registry.AddCounter("covet_messages_total", "Messages.", {{"direction", "in"}}).Add(2);
  registry.AddCounter("covet_messages_total", "Messages.", {{"direction", "in"}}).Add();
  registry.AddCounter("covet_messages_total", "Messages.", {{"direction", "out"}}).Add(7);
  const std::string text = registry.TextExposition();
  EXPECT_THAT(text, HasSubstr("# HELP covet_messages_total Messages.\n"
                              "# TYPE covet_messages_total counter\n"));
  EXPECT_THAT(text, HasSubstr("covet_messages_total{direction=\"in\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("covet_messages_total{direction=\"out\"} 7\n"));
}

TEST(RegistryDeathTest, SameNameOfAnotherTypeEndsTheProcess) {
  Registry registry;
  registry.AddGauge("covet_connections", "Connections.");
  EXPECT_DEATH(registry.AddCounter("covet_connections", "Connections."), "declared twice");
}

TEST(RegistryTest, LocalHandlesCountWhenFlushed) {
  Registry registry;
  const Counter counter = registry.AddCounter("covet_x_total", "X.");
  const Histogram histogram = registry.AddHistogram("covet_y_seconds", "Y.", {0.1, 1});
  {
    LocalCounter local(counter);
    LocalHistogram local_histogram(histogram);
    for (int i = 0; i < 5; ++i) local.Add(2);
    for (const double value : {0.05, 0.1, 0.5, 3.0}) local_histogram.Observe(value);
    EXPECT_EQ(counter.Value(), 0);
    local.Flush();
    EXPECT_EQ(counter.Value(), 10);
    local.Add();
    EXPECT_EQ(histogram.Count(), 0u);
  }
  EXPECT_EQ(counter.Value(), 11);
  const std::string text = registry.TextExposition();
  EXPECT_THAT(text, HasSubstr("covet_y_seconds_count 4\n"));
  EXPECT_THAT(text, HasSubstr("covet_y_seconds_bucket{le=\"0.1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("covet_y_seconds_bucket{le=\"1\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("covet_y_seconds_bucket{le=\"+Inf\"} 4\n"));
}

TEST(RegistryTest, LocalAndSharedHistogramsPutABoundInTheSameBucket) {
  Registry registry;
  const Histogram a = registry.AddHistogram("covet_a_seconds", "A.", {1, 2});
  const Histogram b = registry.AddHistogram("covet_b_seconds", "B.", {1, 2});
  a.Observe(1);
  LocalHistogram(b).Observe(1);
  EXPECT_THAT(registry.TextExposition(), HasSubstr("covet_a_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(registry.TextExposition(), HasSubstr("covet_b_seconds_bucket{le=\"1\"} 1\n"));
}

TEST(RegistryTest, CallbackLivesAsLongAsItsRegistration) {
  Registry registry;
  {
    const CallbackRegistration registration = registry.AddCallbackGauge(
        "covet_queued_bytes", "Queued.", {{"queue", "link"}}, [] { return 42; });
    EXPECT_THAT(registry.TextExposition(), HasSubstr("covet_queued_bytes{queue=\"link\"} 42\n"));
  }
  EXPECT_THAT(registry.TextExposition(), Not(HasSubstr("covet_queued_bytes{")));
}

TEST(RegistryTest, EmptyHandlesDropWhatTheyAreGiven) {
  Counter().Add();
  Gauge().Set(1);
  Histogram().Observe(1);
  LocalCounter().Add();
  LocalHistogram().Observe(1);
}

TEST(ProcessMetricsTest, TellThisProcess) {
  Registry registry;
  const auto registrations = AddProcessMetrics(&registry);
  const std::string text = registry.TextExposition();
  const auto value = [&](const std::string& name) {
    const size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(value("process_cpu_seconds_total"), 0);
  EXPECT_GE(value("process_open_fds"), 3);
  EXPECT_GE(value("process_max_fds"), value("process_open_fds"));
  EXPECT_GE(value("process_threads"), 1);
  EXPECT_NEAR(value("process_start_time_seconds"), static_cast<double>(std::time(nullptr)), 600);
  EXPECT_THAT(ConventionViolations(registry.List()), IsEmpty());
}

TEST(ConventionsTest, NamesWhatIsWrong) {
  EXPECT_THAT(ConventionViolations({{"covet_messages", "M.", "counter", {}}}),
              ElementsAre("covet_messages is a counter and does not end in _total"));
  EXPECT_THAT(ConventionViolations({{"covet_latency_ms", "L.", "gauge", {}}}),
              ElementsAre("covet_latency_ms is not in a base unit"));
  EXPECT_THAT(ConventionViolations({{"covet_x_total", "X.", "counter", {"room_id"}}}),
              ElementsAre("covet_x_total has the label room_id, whose values have no bound"));
  EXPECT_THAT(ConventionViolations({{"x_total", "", "gauge", {}}}).size(), 3);
  EXPECT_THAT(ConventionViolations({{"covet_call_seconds", "C.", "histogram", {"method"}}}),
              IsEmpty());
}

}  // namespace
}  // namespace covet::metrics
