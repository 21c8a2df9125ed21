#include "common/limits/memory_budget.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace covet::limits {
namespace {

constexpr int64_t kMiB = 1024 * 1024;

TEST(MemoryBudgetTest, LevelsBeginAboveTheirShare) {
  // Adds of more than a batch reach the total at once.
  MemoryBudget budget(1000 * kMiB);
  EXPECT_EQ(budget.level(), MemoryLevel::kNormal);
  budget.Add(800 * kMiB);
  EXPECT_EQ(budget.used(), 800 * kMiB);
  EXPECT_EQ(budget.level(), MemoryLevel::kNormal);
  budget.Add(kMiB);
  EXPECT_EQ(budget.level(), MemoryLevel::kHigh);
  budget.Add(149 * kMiB);
  EXPECT_EQ(budget.level(), MemoryLevel::kHigh);
  EXPECT_EQ(budget.excess(), 0);
  budget.Add(3 * kMiB);
  EXPECT_EQ(budget.level(), MemoryLevel::kCritical);
  EXPECT_EQ(budget.excess(), 3 * kMiB);
  budget.Add(-953 * kMiB);
  EXPECT_EQ(budget.level(), MemoryLevel::kNormal);
  EXPECT_EQ(budget.used(), 0);
}

TEST(MemoryBudgetTest, SmallChangesArriveInBatches) {
  MemoryBudget budget(1000 * kMiB);
  for (int i = 0; i < 10'000; ++i) budget.Add(1000);
  EXPECT_NEAR(static_cast<double>(budget.used()), 10e6, 64 * 1024 + 1000);
  for (int i = 0; i < 10'000; ++i) budget.Add(-1000);
  EXPECT_NEAR(static_cast<double>(budget.used()), 0, 64 * 1024 + 1000);
}

TEST(MemoryBudgetTest, ThreadsAddUp) {
  MemoryBudget budget(1000 * kMiB);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&budget] {
      for (int i = 0; i < 50'000; ++i) budget.Add(i % 5 == 4 ? -1000 : 1000);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_NEAR(static_cast<double>(budget.used()), 4 * 30e6, kMiB);
}

TEST(MemoryChargeTest, GivesBackWhatItHolds) {
  MemoryBudget budget(1000 * kMiB);
  {
    MemoryCharge charge(&budget, 10 * kMiB);
    charge.Add(5 * kMiB);
    charge.Release(kMiB);
    EXPECT_EQ(charge.bytes(), 14 * kMiB);
    EXPECT_EQ(budget.used(), 14 * kMiB);

    MemoryCharge moved = std::move(charge);
    EXPECT_EQ(moved.bytes(), 14 * kMiB);
    EXPECT_EQ(budget.used(), 14 * kMiB);
    MemoryCharge other(&budget, 2 * kMiB);
    other = std::move(moved);
    EXPECT_EQ(budget.used(), 14 * kMiB);
    MemoryCharge none;
    none.Add(5);
    EXPECT_EQ(none.bytes(), 0);
  }
  EXPECT_EQ(budget.used(), 0);
}

class DetectMemoryLimitTest : public ::testing::Test {
 protected:
  DetectMemoryLimitTest() {
    std::string name = ::testing::TempDir() + "covet_cgroup_XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~DetectMemoryLimitTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  std::string root_;
  const int64_t ram_ = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
};

TEST_F(DetectMemoryLimitTest, WithoutCgroupsItIsTheMachines) {
  EXPECT_EQ(DetectMemoryLimit(root_), ram_);
  EXPECT_GT(DetectMemoryLimit(), 0);
  EXPECT_LE(DetectMemoryLimit(), ram_);
}

TEST_F(DetectMemoryLimitTest, Version2WithParents) {
  Write("/proc/self/cgroup", "0::/kube/pod/covet\n");
  Write("/sys/fs/cgroup/kube/pod/covet/memory.max", "max\n");
  EXPECT_EQ(DetectMemoryLimit(root_), ram_);
  Write("/sys/fs/cgroup/kube/memory.max", "50000000\n");
  EXPECT_EQ(DetectMemoryLimit(root_), 50'000'000);
  Write("/sys/fs/cgroup/kube/pod/covet/memory.max", "40000000\n");
  EXPECT_EQ(DetectMemoryLimit(root_), 40'000'000);
}

TEST_F(DetectMemoryLimitTest, Version1) {
  Write("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(DetectMemoryLimit(root_), ram_);
  Write("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "30000000\n");
  EXPECT_EQ(DetectMemoryLimit(root_), 30'000'000);
  Write("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1\n");
  EXPECT_EQ(DetectMemoryLimit(root_), 30'000'000);
}

TEST_F(DetectMemoryLimitTest, InsideAContainerTheMountIsItsOwn) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/memory.max", "20000000\n");
  EXPECT_EQ(DetectMemoryLimit(root_), 20'000'000);
}

TEST_F(DetectMemoryLimitTest, NonsenseIsPassedOver) {
  Write("/proc/self/cgroup", "\nnonsense\n0::relative\n0::\n::\n1:memory:\n");
  Write("/sys/fs/cgroup/memory.max", "many\n");
  EXPECT_EQ(DetectMemoryLimit(root_), ram_);
}

}  // namespace
}  // namespace covet::limits
