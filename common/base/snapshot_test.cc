#include "common/base/snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace covet {
namespace {

TEST(SnapshotTest, ReadersSeeTheNewestValueAndOldOnesStayValid) {
  Snapshot<int> snapshot(std::make_shared<int>(1));
  Snapshot<int>::Reader reader(snapshot);
  const std::shared_ptr<const int> old = snapshot.Get();
  const uint64_t version = reader.version();
  EXPECT_EQ(reader.Get(), 1);

  snapshot.Set(std::make_shared<int>(2));
  EXPECT_EQ(*old, 1);
  EXPECT_EQ(*snapshot.Get(), 2);
  EXPECT_EQ(reader.Get(), 2);
  EXPECT_NE(reader.version(), version);
}

TEST(SnapshotTest, ConcurrentReadersNeverSeeAValueGoBack) {
  constexpr int kLast = 2000;
  Snapshot<int> snapshot(std::make_shared<int>(0));
  std::atomic<bool> went_back{false};
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      Snapshot<int>::Reader reader(snapshot);
      for (int last = 0; last != kLast;) {
        const int now = reader.Get();
        if (now < last) went_back = true;
        last = now;
      }
    });
  }
  for (int i = 1; i <= kLast; ++i) snapshot.Set(std::make_shared<int>(i));
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(went_back);
}

}  // namespace
}  // namespace covet
