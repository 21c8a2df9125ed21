#include "services/files/disk_blobs.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/eventlog/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace covet::files {
namespace {

using testing::ElementsAre;

// On the thread that posts.
class InlineExecutor final : public Executor {
 public:
  void Post(std::function<void()> closure) override { closure(); }
};

class DiskBlobsTest : public testing::Test {
 protected:
  // What lies on disk is hashed when it is finished, for nothing was written in order.
  void Make(const std::string& blob, int64_t size) {
    absl::Notification made;
    blobs_->Prepare(blob, size, [&](const absl::StatusOr<bool>& created) {
      EXPECT_TRUE(created.ok() && *created) << created.status();
      made.Notify();
    });
    made.WaitForNotification();
  }

  void Finish(const std::string& blob) {
    blobs_->Finish(blob, "", [this, blob](const absl::StatusOr<std::string>& digest) {
      EXPECT_TRUE(digest.ok()) << digest.status();
      const std::lock_guard lock(mutex_);
      finished_.push_back(blob);
      if (finished_.size() == 3) all_.Notify();
    });
  }

  const eventlog::TempDirectory directory_;
  InlineExecutor executor_;
  std::mutex mutex_;
  std::vector<std::string> finished_;
  absl::Notification all_;
  std::unique_ptr<DiskBlobs> blobs_ =
      *DiskBlobs::Open({.directory = directory_.path(), .writer_threads = 1}, executor_);
};

TEST_F(DiskBlobsTest, LargeFilesThatAreReadAgainHoldUpNoOther) {
  Make("large_1", 40 << 20);
  Make("large_2", 40 << 20);
  Make("small", 1);
  absl::Notification go;
  blobs_->WithKept("none", [&](const std::string&) { go.WaitForNotification(); });
  Finish("large_1");
  Finish("large_2");
  Finish("small");
  // The one writer has handed them over before it answers this.
  Make("last", 1);
  go.Notify();
  all_.WaitForNotification();
  EXPECT_THAT(finished_, ElementsAre("small", "large_1", "large_2"));
  EXPECT_GE(blobs_->counters().reread_bytes, 80 << 20);
}

}  // namespace
}  // namespace covet::files
