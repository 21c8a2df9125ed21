#include "services/streams/sources/host/host_sample.h"

#include "gtest/gtest.h"

namespace covet::streams::host {
namespace {

ProcFiles Files() {
  return {
      .stat = "cpu  100 10 50 800 40 0 5 15 7 3\ncpu0 1 2 3 4\nintr 5\n",
      .meminfo = "MemTotal:       8000 kB\nMemFree:   1000 kB\nMemAvailable:    2576 kB\n",
      .loadavg = "0.52 1.25 3.00 2/345 6789\n",
      .net_dev =
          "Inter-|   Receive    |  Transmit\n face |bytes packets\n"
          "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n"
          "  eth0:1000 1 0 0 0 0 0 0 400 1 0 0 0 0 0 0\n"
          " wlan0: 500 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n",
      .diskstats =
          "   7 0 loop0 9 9 9 9 9 9 9 9\n"
          " 259 0 nvme0n1 5 0 10 1 6 0 20 1 0 1 1\n"
          " 259 1 nvme0n1p1 5 0 10 1 6 0 20 1 0 1 1\n"
          "   8 0 sda 5 0 2 1 6 0 4 1 0 1 1\n"
          "   8 1 sda1 5 0 2 1 6 0 4 1 0 1 1\n"
          " 253 0 dm-0 5 0 2 1 6 0 4 1 0 1 1\n",
  };
}

TEST(HostSampleTest, ReadsWhatTheKernelWrites) {
  const std::optional<HostCounters> counters = ParseHost(Files());
  ASSERT_TRUE(counters.has_value());
  EXPECT_EQ(counters->cpu_total, 1020u);
  EXPECT_EQ(counters->cpu_busy, 180u);
  EXPECT_DOUBLE_EQ(counters->memory_usage, 67.8);
  EXPECT_DOUBLE_EQ(counters->load_5, 1.25);
  EXPECT_EQ(counters->network_received, 1500u);
  EXPECT_EQ(counters->network_sent, 500u);
  EXPECT_EQ(counters->disk_read, 12u * 512);
  EXPECT_EQ(counters->disk_written, 24u * 512);
}

TEST(HostSampleTest, NeedsCpuAndMemoryOnly) {
  ProcFiles files = Files();
  files.net_dev = files.diskstats = files.loadavg = "";
  EXPECT_TRUE(ParseHost(files).has_value());
  files.meminfo = "MemTotal: 100 kB\n";
  EXPECT_FALSE(ParseHost(files).has_value());
  EXPECT_FALSE(ParseHost({}).has_value());
}

TEST(HostSampleTest, TellsRatesBetweenTwoReadings) {
  const HostCounters before = *ParseHost(Files());
  HostCounters now = before;
  now.cpu_total += 200;
  now.cpu_busy += 91;
  now.network_received += 3'000;
  now.disk_written += 1'024;
  now.network_sent = 0;  // A new interface.
  std::string json = "{";
  AppendHostMembers(before, now, 2, &json);
  EXPECT_EQ(json,
            R"({"cpu_usage":45.5,"memory_usage":67.8,"load_1":0.52,"load_5":1.25,"load_15":3,)"
            R"("network_receive_rate":1500,"network_send_rate":0,"disk_read_rate":0,)"
            R"("disk_write_rate":512)");
}

TEST(HostSampleTest, DividesByNothingWhereNothingPassed) {
  std::string json = "{";
  AppendHostMembers({}, {}, 0, &json);
  EXPECT_TRUE(json.starts_with(R"({"cpu_usage":0,)"));
}

}  // namespace
}  // namespace covet::streams::host
