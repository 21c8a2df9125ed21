// The order in which blobs reach the disk. What is answered must outlive a power failure, which
// ending a process does not show: the kernel keeps what was never synced.
//
// The linker sends the store's calls below to this file (--wrap), which notes them.
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/eventlog/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/files/disk_blobs.h"

extern "C" {
int __real_fdatasync(int fd);
int __real_fsync(int fd);
ssize_t __real_pwrite(int fd, const void* data, size_t size, off_t offset);
int __real_rename(const char* from, const char* to);
}

namespace covet::files {
namespace {

using testing::ElementsAre;

// What happens below one folder, in its order. Thread-safe.
class Events {
 public:
  void Watch(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    folder_ = std::filesystem::canonical(folder).string();
    events_.clear();
    failures_.clear();
  }
  // The next such event fails with this errno.
  void FailNext(const std::string& event, int error) {
    const std::lock_guard lock(mutex_);
    failures_[event] = error;
  }
  void Note(const std::string& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
  }
  std::vector<std::string> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }

  // Makes the call and notes it once it is done.
  template <typename Result>
  Result Call(const std::string& event, const std::function<Result()>& real) {
    if (const int error = FailureOf(event); error != 0) {
      Note(event + " failed");
      errno = error;
      return -1;
    }
    const Result result = real();
    const int error = errno;
    Note(result < 0 ? event + " failed" : event);
    errno = error;
    return result;
  }

  // A path below the folder, without it.
  std::string Short(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (path == folder_) return ".";
    const std::string prefix = folder_ + "/";
    return path.starts_with(prefix) ? path.substr(prefix.size()) : path;
  }
  std::string Short(int fd) {
    return Short(std::filesystem::read_symlink(absl::StrCat("/proc/self/fd/", fd)).string());
  }

 private:
  int FailureOf(const std::string& event) {
    const std::lock_guard lock(mutex_);
    const auto it = failures_.find(event);
    if (it == failures_.end()) return 0;
    const int error = it->second;
    failures_.erase(it);
    return error;
  }

  std::mutex mutex_;
  std::string folder_;
  std::vector<std::string> events_;
  std::map<std::string, int> failures_;
};

Events& TheEvents() {
  static Events events;
  return events;
}

}  // namespace
}  // namespace covet::files

extern "C" {

int __wrap_fdatasync(int fd) {
  auto& events = covet::files::TheEvents();
  return events.Call<int>("fdatasync " + events.Short(fd), [&] { return __real_fdatasync(fd); });
}

int __wrap_fsync(int fd) {
  auto& events = covet::files::TheEvents();
  return events.Call<int>("fsync " + events.Short(fd), [&] { return __real_fsync(fd); });
}

ssize_t __wrap_pwrite(int fd, const void* data, size_t size, off_t offset) {
  auto& events = covet::files::TheEvents();
  return events.Call<ssize_t>("write " + events.Short(fd),
                              [&] { return __real_pwrite(fd, data, size, offset); });
}

int __wrap_rename(const char* from, const char* to) {
  auto& events = covet::files::TheEvents();
  return events.Call<int>(absl::StrCat("rename ", events.Short(from), " ", events.Short(to)),
                          [&] { return __real_rename(from, to); });
}

}  // extern "C"

namespace covet::files {
namespace {

// On the thread that posts: an answer comes when the store gives it and not later.
class DirectExecutor final : public Executor {
 public:
  void Post(std::function<void()> closure) override {
    const std::lock_guard lock(mutex_);
    closure();
  }

 private:
  std::mutex mutex_;
};

// An answer of the store's, noted among the events.
template <typename T>
class Answer {
 public:
  explicit Answer(std::string event = "answer") : event_(std::move(event)) {}

  std::function<void(T)> Callback() {
    return [event = event_, promise = promise_](T value) {
      TheEvents().Note(event);
      promise->set_value(std::move(value));
    };
  }
  T Get() {
    std::future<T> future = promise_->get_future();
    if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
      return absl::DeadlineExceededError("no " + event_);
    }
    return future.get();
  }

 private:
  const std::string event_;
  const std::shared_ptr<std::promise<T>> promise_ = std::make_shared<std::promise<T>>();
};

ChunkWrite ChunkOf(const std::string& blob, int64_t offset, const std::string& data) {
  return {.blob = blob, .offset = offset, .data = data, .checksum = auth::Sha256(data)};
}

class DiskBlobsDurabilityTest : public testing::Test {
 protected:
  DiskBlobsDurabilityTest() {
    TheEvents().Watch(temporary_.path());
    Restart();
  }

  void Restart() {
    blobs_.reset();
    blobs_ = *DiskBlobs::Open({.directory = folder_, .writer_threads = 1}, executor_);
  }

  absl::StatusOr<bool> Prepare(const std::string& blob) {
    Answer<absl::StatusOr<bool>> answer;
    blobs_->Prepare(blob, 4, answer.Callback());
    return answer.Get();
  }
  absl::Status Write(const std::string& blob, int64_t offset, const std::string& data) {
    Answer<absl::Status> answer;
    blobs_->Write(ChunkOf(blob, offset, data), answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<std::string> Finish(const std::string& blob) {
    Answer<absl::StatusOr<std::string>> answer;
    blobs_->Finish(blob, "", answer.Callback());
    return answer.Get();
  }

  // A blob of four bytes, written; its events are forgotten.
  void MakeWhole(const std::string& blob) {
    ASSERT_TRUE(Prepare(blob).ok());
    ASSERT_TRUE(Write(blob, 0, "abcd").ok());
    TheEvents().Take();
  }

  bool Exists(const std::string& path) const {
    return std::filesystem::exists(folder_ + "/" + path);
  }

  const eventlog::TempDirectory temporary_;
  const std::string folder_ = std::filesystem::canonical(temporary_.path()).string();
  DirectExecutor executor_;
  std::unique_ptr<DiskBlobs> blobs_;
};

TEST_F(DiskBlobsDurabilityTest, TheFoldersThemselvesAreSynced) {
  EXPECT_THAT(TheEvents().Take(), ElementsAre("fsync ."));
}

TEST_F(DiskBlobsDurabilityTest, ANewBlobIsAnsweredOnceItAndItsNameAreSynced) {
  TheEvents().Take();
  const absl::StatusOr<bool> made = Prepare("a");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(*made);
  EXPECT_THAT(TheEvents().Take(), ElementsAre("fdatasync incoming/a", "fsync incoming", "answer"));
}

TEST_F(DiskBlobsDurabilityTest, ABlobThatCannotBeSyncedIsNotMade) {
  for (const char* sync : {"fdatasync incoming/a", "fsync incoming"}) {
    TheEvents().FailNext(sync, EIO);
    EXPECT_EQ(Prepare("a").status().code(), absl::StatusCode::kInternal) << sync;
    EXPECT_FALSE(Exists("incoming/a")) << sync;
  }
}

TEST_F(DiskBlobsDurabilityTest, ABlobOfAnotherProcessIsAnsweredOnceItsNameIsSynced) {
  MakeWhole("a");
  // That process may have ended before it had synced the name.
  Restart();
  TheEvents().Take();
  const absl::StatusOr<bool> made = Prepare("a");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_FALSE(*made);
  EXPECT_THAT(TheEvents().Take(), ElementsAre("fsync incoming", "answer"));
}

TEST_F(DiskBlobsDurabilityTest, AChunkIsAcknowledgedOnceItIsSynced) {
  ASSERT_TRUE(Prepare("a").ok());
  TheEvents().Take();
  for (const int64_t offset : {2, 0}) {
    EXPECT_TRUE(Write("a", offset, "ab").ok());
    EXPECT_THAT(TheEvents().Take(),
                ElementsAre("write incoming/a", "fdatasync incoming/a", "answer"));
  }
}

TEST_F(DiskBlobsDurabilityTest, NoChunkOfABurstIsAcknowledgedBeforeTheSync) {
  ASSERT_TRUE(Prepare("a").ok());
  ASSERT_TRUE(Prepare("b").ok());
  // Holds the writer until the burst has queued.
  std::promise<void> reached;
  std::promise<void> release;
  blobs_->Prepare("held", 4, [&reached, held = release.get_future().share()](const auto&) {
    reached.set_value();
    held.wait();
  });
  reached.get_future().wait();
  TheEvents().Take();
  Answer<absl::Status> a0("a0"), b0("b0"), a2("a2");
  Answer<absl::StatusOr<std::string>> kept("kept");
  blobs_->Write(ChunkOf("a", 0, "ab"), a0.Callback());
  blobs_->Write(ChunkOf("b", 0, "ab"), b0.Callback());
  blobs_->Write(ChunkOf("a", 2, "cd"), a2.Callback());
  blobs_->Finish("a", "", kept.Callback());
  release.set_value();
  const absl::StatusOr<std::string> digest = kept.Get();
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(*digest, auth::EncodeHex(auth::Sha256("abcd")));
  EXPECT_THAT(TheEvents().Take(),
              ElementsAre("write incoming/a", "write incoming/b", "write incoming/a",
                          "fdatasync incoming/a", "fdatasync incoming/b", "a0", "b0", "a2",
                          "fsync incoming/a", "rename incoming/a kept/a", "fsync kept",
                          "fsync incoming", "kept"));
}

TEST_F(DiskBlobsDurabilityTest, AChunkThatIsNotSyncedIsNotAcknowledgedNorIsWhatComesAfterIt) {
  ASSERT_TRUE(Prepare("a").ok());
  ASSERT_TRUE(Prepare("b").ok());
  TheEvents().Take();
  TheEvents().FailNext("fdatasync incoming/a", EIO);
  EXPECT_EQ(Write("a", 0, "ab").code(), absl::StatusCode::kInternal);
  EXPECT_THAT(TheEvents().Take(),
              ElementsAre("write incoming/a", "fdatasync incoming/a failed", "answer"));
  // The kernel reports a lost page once: a sync that succeeds afterwards means nothing.
  EXPECT_EQ(Write("a", 2, "cd").code(), absl::StatusCode::kInternal);
  EXPECT_THAT(TheEvents().Take(), ElementsAre("answer"));
  EXPECT_EQ(Finish("a").status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(Exists("incoming/a"));
  EXPECT_FALSE(Exists("kept/a"));
  EXPECT_TRUE(Write("b", 0, "ab").ok());
}

TEST_F(DiskBlobsDurabilityTest, AFullDiskIsToldAsSuch) {
  ASSERT_TRUE(Prepare("a").ok());
  TheEvents().FailNext("fdatasync incoming/a", ENOSPC);
  EXPECT_EQ(Write("a", 0, "ab").code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(DiskBlobsDurabilityTest, AFileIsSyncedThenMovedThenBothFoldersAreSynced) {
  MakeWhole("a");
  ASSERT_TRUE(Finish("a").ok());
  EXPECT_THAT(TheEvents().Take(), ElementsAre("fsync incoming/a", "rename incoming/a kept/a",
                                              "fsync kept", "fsync incoming", "answer"));
}

TEST_F(DiskBlobsDurabilityTest, AFileThatAProcessMovedBeforeItEndedIsSyncedAgain) {
  MakeWhole("a");
  blobs_.reset();
  std::filesystem::rename(folder_ + "/incoming/a", folder_ + "/kept/a");
  Restart();
  TheEvents().Take();
  ASSERT_TRUE(Finish("a").ok());
  EXPECT_THAT(TheEvents().Take(), ElementsAre("fsync kept/a", "rename incoming/a kept/a failed",
                                              "fsync kept", "fsync incoming", "answer"));
}

TEST_F(DiskBlobsDurabilityTest, AFileThatCannotBeSyncedOrMovedIsNotKept) {
  const std::vector<std::string> steps = {"fsync incoming/a", "rename incoming/a kept/a",
                                          "fsync kept", "fsync incoming"};
  for (size_t failing = 0; failing < steps.size(); ++failing) {
    MakeWhole("a");
    TheEvents().FailNext(steps[failing], EIO);
    EXPECT_EQ(Finish("a").status().code(), absl::StatusCode::kInternal) << steps[failing];
    std::vector<std::string> expected(steps.begin(), steps.begin() + static_cast<int>(failing));
    expected.push_back(steps[failing] + " failed");
    expected.emplace_back("answer");
    EXPECT_EQ(TheEvents().Take(), expected);
    std::filesystem::remove(folder_ + "/incoming/a");
    std::filesystem::remove(folder_ + "/kept/a");
  }
}

}  // namespace
}  // namespace covet::files
