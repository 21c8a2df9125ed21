#include "services/files/domain/files_core.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/auth/crypto.h"
#include "common/base/manual_clock.h"
#include "common/errors/error.h"
#include "common/eventlog/sqlite_database.h"
#include "common/eventlog/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/files/disk_blobs.h"
#include "services/files/file_processing.h"
#include "services/files/sqlite_metadata.h"

namespace covet::files {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// Runs what is posted when the test says so, on the test's thread.
class PumpedExecutor final : public Executor {
 public:
  void Post(std::function<void()> closure) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(closure));
    }
    wake_.notify_one();
  }

  // Runs closures until `done` holds; false if it does not within a generous time.
  bool RunUntil(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
      std::function<void()> closure;
      {
        std::unique_lock lock(mutex_);
        if (!wake_.wait_until(lock, deadline, [this] { return !queue_.empty(); })) return false;
        closure = std::move(queue_.front());
        queue_.pop_front();
      }
      closure();
    }
    return true;
  }
  void RunAll() {
    bool empty = false;
    while (!empty) {
      std::function<void()> closure;
      {
        const std::lock_guard lock(mutex_);
        empty = queue_.empty();
        if (!empty) {
          closure = std::move(queue_.front());
          queue_.pop_front();
        }
      }
      if (closure) closure();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
};

class TestUploader final : public Uploader {
 public:
  void Send(v1::UploadResponse response) override { got.push_back(std::move(response)); }
  void End(absl::Status status) override { ended = std::move(status); }
  void Release(int64_t bytes) override { released += bytes; }

  FilesCore::UploaderId id = 0;
  std::vector<v1::UploadResponse> got;
  std::optional<absl::Status> ended;
  int64_t released = 0;
};

// Processing that ends the process: it never comes back.
class DeadlyProcessing final : public Processing {
 public:
  void Process(const FileRecord& file, std::function<void(ProcessingResult)>) override {
    begun.push_back(file.file_id);
  }

  std::vector<std::string> begun;
};

constexpr char kData[] = "0123456789abcdefghijklmno";  // 25 bytes, three chunks of ten.

// The core over a real store, restarted at will; the clock stands.
class FilesCoreTest : public testing::Test {
 protected:
  FilesCoreTest() : policy_(Allowing()) {
    options_.url_key = "key";
    Restart();
  }
  ~FilesCoreTest() override { Close(); }

  static std::shared_ptr<const policy::Policy> Allowing() {
    common::v1::Grant grant;
    grant.set_action("file:upload");
    grant.set_pattern("f*");
    return std::make_shared<const policy::Policy>(
        *policy::Policy::Compile({policy::Role{"uploader", {grant}}}));
  }

  void Close() {
    if (!core_) return;
    blobs_->Stop();
    // What was not committed is gone, as in a crash.
    core_.reset();
    processing_.reset();
    blobs_.reset();
    metadata_.reset();
    executor_.reset();
  }

  void Restart() {
    Close();
    std::filesystem::create_directories(directory_);
    executor_ = std::make_unique<PumpedExecutor>();
    metadata_ = *OpenSqliteMetadata(directory_ + "/metadata.sqlite");
    blobs_ = *DiskBlobs::Open({.directory = directory_}, *executor_);
    ASSERT_TRUE(
        blobs_
            ->RemoveLeftovers([this](const std::string& blob) { return metadata_->HasBlob(blob); })
            .ok());
    processing_ = std::make_unique<FileProcessing>(*blobs_, *executor_, nullptr);
    core_ = std::make_unique<FilesCore>(
        options_, CoreEnvironment{clock_, ids_, *executor_, *metadata_, *blobs_,
                                  deadly_ ? static_cast<Processing&>(*deadly_) : *processing_,
                                  policy_, memory_,
                                  [this](const FileChange& change) {
                                    changes_.emplace_back(change.change, change.correlation_id);
                                  },
                                  [](const absl::Status& status) { FAIL() << status; }});
    core_->Start();
  }

  std::unique_ptr<TestUploader> Attach(const std::string& user = "user") {
    auto uploader = std::make_unique<TestUploader>();
    auto identity = std::make_shared<common::v1::Identity>();
    identity->set_user_id(user);
    identity->add_roles("uploader");
    uploader->id = core_->Attach(uploader.get(), std::move(identity), "call");
    return uploader;
  }

  void Start(const TestUploader& uploader, const std::string& upload = "u",
             std::string_view data = kData, const std::string& sha256 = "",
             const std::string& correlation_id = "") {
    v1::UploadRequest request;
    request.set_correlation_id(correlation_id);
    v1::StartUpload* start = request.mutable_start();
    start->set_upload_id(upload);
    start->set_filename("file");
    start->set_size(static_cast<int64_t>(data.size()));
    start->set_chunk_size(10);
    start->set_sha256(sha256);
    core_->OnRequest(uploader.id, std::move(request));
  }

  void Chunk(const TestUploader& uploader, int64_t index, std::string_view data = kData,
             int64_t tag = 0) {
    v1::UploadRequest request;
    request.set_tag(tag);
    v1::Chunk* chunk = request.mutable_chunk();
    chunk->set_chunk_index(index);
    chunk->set_data(std::string(data.substr(static_cast<size_t>(10 * index), 10)));
    chunk->set_checksum(auth::Sha256(chunk->data()));
    core_->OnRequest(uploader.id, std::move(request));
  }

  // Waits for the uploader's next answer and takes it.
  v1::UploadResponse Next(TestUploader& uploader) {
    EXPECT_TRUE(executor_->RunUntil([&] { return !uploader.got.empty(); }));
    if (uploader.got.empty()) return {};
    v1::UploadResponse response = std::move(uploader.got.front());
    uploader.got.erase(uploader.got.begin());
    return response;
  }
  absl::Status End(TestUploader& uploader) {
    EXPECT_TRUE(executor_->RunUntil([&] { return uploader.ended.has_value(); }));
    return uploader.ended.value_or(absl::UnknownError("not ended"));
  }

  std::vector<std::string> Folder(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/" + name)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  const eventlog::TempDirectory temporary_;
  const std::string directory_ = temporary_.File("files");
  ManualClock clock_;
  SeededIds ids_{1};
  limits::MemoryBudget memory_{1 << 20};
  policy::PolicyStore policy_;
  FilesOptions options_;
  std::unique_ptr<PumpedExecutor> executor_;
  std::vector<std::pair<std::string, std::string>> changes_;  // And the correlation id of each.
  std::unique_ptr<Metadata> metadata_;
  std::unique_ptr<DiskBlobs> blobs_;
  std::unique_ptr<FileProcessing> processing_;
  DeadlyProcessing* deadly_ = nullptr;  // In place of it.
  std::unique_ptr<FilesCore> core_;
};

TEST_F(FilesCoreTest, AnUploadBecomesAFile) {
  auto uploader = Attach();
  Start(*uploader, "u", kData, auth::EncodeHex(auth::Sha256(kData)));
  const v1::UploadReady ready = Next(*uploader).ready();
  EXPECT_EQ(ready.total_chunks(), 3);
  for (const int64_t index : {2, 0, 1}) Chunk(*uploader, index);
  for (int64_t received = 1; received <= 3; ++received) {
    EXPECT_EQ(Next(*uploader).chunk_ack().received_chunks(), received);
  }
  const v1::File file = Next(*uploader).completed();
  EXPECT_EQ(file.sha256(), auth::EncodeHex(auth::Sha256(kData)));
  EXPECT_EQ(file.processing_status(), v1::PROCESSING_STATUS_QUEUED);
  EXPECT_EQ(Next(*uploader).status().processing_status(), v1::PROCESSING_STATUS_PROCESSING);
  EXPECT_EQ(Next(*uploader).status().processing_status(), v1::PROCESSING_STATUS_COMPLETED);
  EXPECT_TRUE(End(*uploader).ok());
  EXPECT_EQ(uploader->released, 25);
  EXPECT_EQ(memory_.used(), 0);
  EXPECT_THAT(Folder("incoming"), IsEmpty());
  EXPECT_THAT(Folder("kept"), ElementsAre(file.file_id()));
  EXPECT_EQ(core_->open_uploads(), 0u);
}

TEST_F(FilesCoreTest, ChangesCarryTheCorrelationIdOfWhoeverAskedForThem) {
  options_.retention_ms = 1'000;
  core_->SetOptions(options_);
  const auto upload = [this](const std::string& id, const std::string& correlation_id) {
    auto uploader = Attach();
    Start(*uploader, id, kData, "", correlation_id);
    Next(*uploader);
    for (const int64_t index : {0, 1, 2}) Chunk(*uploader, index);
    for (int i = 0; i < 3; ++i) Next(*uploader);
    const v1::File file = Next(*uploader).completed();
    EXPECT_TRUE(End(*uploader).ok());
    return file.file_id();
  };
  auto caller = std::make_shared<common::v1::Identity>();
  caller->set_user_id("user");
  caller->add_roles("uploader");
  v1::DeleteRequest request;
  request.set_file_id(upload("u", "start"));
  core_->Delete(caller, request, "delete", [](const auto& deleted) { EXPECT_TRUE(deleted.ok()); });
  executor_->RunAll();
  upload("v", "");
  clock_.AdvanceMillis(2'000);
  core_->Tick();
  executor_->RunAll();
  EXPECT_THAT(changes_, ElementsAre(Pair("uploaded", "start"), Pair("deleted", "delete"),
                                    Pair("uploaded", "call"), Pair("expired", "")));
}

TEST_F(FilesCoreTest, WhatWasAcknowledgedOutlivesACrash) {
  auto uploader = Attach();
  Start(*uploader);
  Next(*uploader);
  Chunk(*uploader, 1);
  EXPECT_TRUE(Next(*uploader).has_chunk_ack());
  // On its way when the process ends.
  Chunk(*uploader, 0);
  Restart();
  uploader = Attach();
  Start(*uploader);
  const v1::UploadReady ready = Next(*uploader).ready();
  ASSERT_EQ(ready.received_size(), 1);
  EXPECT_EQ(ready.received(0).first(), 1);
  Chunk(*uploader, 0);
  Chunk(*uploader, 2);
  Next(*uploader);
  Next(*uploader);
  EXPECT_EQ(Next(*uploader).completed().sha256(), auth::EncodeHex(auth::Sha256(kData)));
}

TEST_F(FilesCoreTest, AWholeUploadIsFinishedByTheNextProcess) {
  auto uploader = Attach();
  Start(*uploader);
  Next(*uploader);
  for (const int64_t index : {0, 1, 2}) Chunk(*uploader, index);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Next(*uploader).has_chunk_ack());
  // The file may have been moved by now; nobody has written it down.
  Restart();
  auto again = Attach();
  Start(*again);
  v1::UploadResponse answer = Next(*again);
  if (answer.has_ready()) answer = Next(*again);
  EXPECT_EQ(answer.completed().sha256(), auth::EncodeHex(auth::Sha256(kData)));
}

TEST_F(FilesCoreTest, AnUnprocessedFileIsProcessedByTheNextProcess) {
  auto uploader = Attach();
  Start(*uploader, "u", "x");
  Next(*uploader);
  Chunk(*uploader, 0, "x");
  Next(*uploader);
  const std::string file_id = Next(*uploader).completed().file_id();
  Restart();
  EXPECT_TRUE(executor_->RunUntil(
      [&] { return metadata_->FindFile(file_id)->status == v1::PROCESSING_STATUS_COMPLETED; }));
}

TEST_F(FilesCoreTest, AFileWhoseProcessingEndsTheProcessIsGivenUp) {
  DeadlyProcessing deadly;
  deadly_ = &deadly;
  Restart();
  std::vector<std::string> ids;
  for (const char* upload : {"poison", "innocent"}) {
    auto uploader = Attach();
    Start(*uploader, upload, "x");
    Next(*uploader);
    Chunk(*uploader, 0, "x");
    Next(*uploader);
    ids.push_back(Next(*uploader).completed().file_id());
    core_->Detach(uploader->id);
    // In this order in the next process as well.
    clock_.AdvanceMillis(1000);
  }
  for (int i = 1; i < 3; ++i) {
    Restart();
    ASSERT_TRUE(executor_->RunUntil([&] { return deadly.begun.size() == 1u + i; }));
    EXPECT_EQ(deadly.begun.back(), ids[0]);
  }
  // What waited behind it is not to blame.
  ASSERT_TRUE(metadata_->FindFile(ids[1]));
  EXPECT_EQ(metadata_->FindFile(ids[1])->attempts, 0);
  EXPECT_EQ(metadata_->FindFile(ids[1])->status, v1::PROCESSING_STATUS_QUEUED);
  deadly_ = nullptr;
  Restart();
  EXPECT_TRUE(executor_->RunUntil(
      [&] { return metadata_->FindFile(ids[1])->status == v1::PROCESSING_STATUS_COMPLETED; }));
  const FileRecord given_up = *metadata_->FindFile(ids[0]);
  EXPECT_EQ(given_up.status, v1::PROCESSING_STATUS_FAILED);
  EXPECT_EQ(given_up.details, R"({"reason":"PROCESSING_FAILED","message":"given up"})");
}

TEST_F(FilesCoreTest, WhereTypesAreLimitedNobodyReadsAFileBeforeItIsProcessed) {
  DeadlyProcessing deadly;
  deadly_ = &deadly;
  for (const char* upload : {"any", "limited"}) {
    Restart();
    auto uploader = Attach();
    Start(*uploader, upload, "x");
    Next(*uploader);
    Chunk(*uploader, 0, "x");
    Next(*uploader);
    v1::DownloadRequest request;
    request.set_file_id(Next(*uploader).completed().file_id());
    std::optional<absl::Status> answer;
    core_->Download(std::make_shared<common::v1::Identity>(), /*trusted=*/true, request,
                    [&](const absl::StatusOr<v1::File>& file) { answer = file.status(); });
    ASSERT_TRUE(executor_->RunUntil([&] { return answer.has_value(); }));
    if (options_.default_limits.types.empty()) {
      EXPECT_TRUE(answer->ok()) << *answer;
    } else {
      EXPECT_EQ(CodeOf(*answer), ErrorCode::kUnavailable) << *answer;
    }
    core_->Detach(uploader->id);
    options_.default_limits.types = {"text/*"};
  }
}

TEST_F(FilesCoreTest, AStoreOfTheFirstFormatIsUpgraded) {
  auto uploader = Attach();
  Start(*uploader, "u", "x");
  Next(*uploader);
  Chunk(*uploader, 0, "x");
  Next(*uploader);
  const std::string file_id = Next(*uploader).completed().file_id();
  Close();
  auto database = eventlog::SqliteDatabase::Open(directory_ + "/metadata.sqlite");
  ASSERT_TRUE(database->Execute("ALTER TABLE files DROP COLUMN attempts").ok());
  ASSERT_TRUE(database->Execute("PRAGMA user_version=1").ok());
  database = absl::NotFoundError("closed");
  Restart();
  EXPECT_TRUE(executor_->RunUntil(
      [&] { return metadata_->FindFile(file_id)->status == v1::PROCESSING_STATUS_COMPLETED; }));
  EXPECT_EQ(metadata_->FindFile(file_id)->attempts, 1);
}

TEST_F(FilesCoreTest, TheSameChunkTwiceAtOnceIsWrittenOnce) {
  auto uploader = Attach();
  Start(*uploader);
  Next(*uploader);
  // The second has other bytes: it is checked against its own checksum and not taken.
  Chunk(*uploader, 0, kData, 1);
  Chunk(*uploader, 0, "ABCDEFGHIJ", 2);
  EXPECT_EQ(Next(*uploader).tag(), 1);
  EXPECT_EQ(Next(*uploader).chunk_ack().received_chunks(), 1);
  Chunk(*uploader, 1);
  Chunk(*uploader, 2);
  Next(*uploader);
  Next(*uploader);
  EXPECT_EQ(Next(*uploader).completed().sha256(), auth::EncodeHex(auth::Sha256(kData)));
}

TEST_F(FilesCoreTest, AFailedTwinMakesRoomForTheOther) {
  auto uploader = Attach();
  Start(*uploader);
  Next(*uploader);
  v1::UploadRequest bad;
  bad.mutable_chunk()->set_data("0123456789");
  bad.mutable_chunk()->set_checksum(std::string(32, 'x'));
  core_->OnRequest(uploader->id, bad);
  Chunk(*uploader, 0);
  EXPECT_EQ(Next(*uploader).chunk_refused().code(), "CHECKSUM_MISMATCH");
  EXPECT_EQ(Next(*uploader).chunk_ack().received_chunks(), 1);
}

TEST_F(FilesCoreTest, ManyChunksOutOfOrderKeepAShortAccount) {
  const std::string data(20'000, 'd');
  auto uploader = Attach();
  Start(*uploader, "u", data);
  Next(*uploader);
  for (int64_t index = 1999; index > 0; --index) {
    Chunk(*uploader, index, data);
    ASSERT_TRUE(Next(*uploader).has_chunk_ack());
  }
  Restart();
  uploader = Attach();
  Start(*uploader, "u", data);
  const v1::UploadReady ready = Next(*uploader).ready();
  ASSERT_EQ(ready.received_size(), 1);
  EXPECT_EQ(ready.received(0).first(), 1);
  EXPECT_EQ(ready.received(0).last(), 1999);
}

TEST_F(FilesCoreTest, AReadyOfManyHolesIsBounded) {
  constexpr int64_t kTold = 4096;
  const std::string data(size_t{10} * 2 * (kTold + 10), 'd');
  auto uploader = Attach();
  Start(*uploader, "u", data);
  Next(*uploader);
  const int64_t number = metadata_->FindUpload("user", "u")->number;
  // Every other chunk is there.
  for (int64_t i = 0; i < kTold + 10; ++i) metadata_->AddReceived(number, 2 * i, 2 * i);
  ASSERT_TRUE(metadata_->Commit().ok());
  Restart();
  uploader = Attach();
  Start(*uploader, "u", data);
  const v1::UploadReady ready = Next(*uploader).ready();
  ASSERT_EQ(ready.received_size(), kTold);
  EXPECT_EQ(ready.received(0).first(), 0);
  EXPECT_EQ(ready.received(kTold - 1).last(), 2 * (kTold - 1));
  // One that it was not told of is acknowledged again.
  Chunk(*uploader, 2 * (kTold + 5), data);
  EXPECT_EQ(Next(*uploader).chunk_ack().received_chunks(), kTold + 10);
}

TEST_F(FilesCoreTest, AnAbandonedUploadExpiresAndItsIdIsForgotten) {
  options_.upload_expiry_ms = 1000;
  options_.remember_ms = 5000;
  Restart();
  auto uploader = Attach();
  Start(*uploader);
  Next(*uploader);
  Chunk(*uploader, 0);
  Next(*uploader);
  clock_.AdvanceMillis(999);
  core_->Tick();
  executor_->RunAll();
  EXPECT_FALSE(uploader->ended.has_value());
  // A chunk puts the end off.
  Chunk(*uploader, 1);
  Next(*uploader);
  clock_.AdvanceMillis(999);
  core_->Tick();
  executor_->RunAll();
  EXPECT_FALSE(uploader->ended.has_value());
  clock_.AdvanceMillis(2);
  core_->Tick();
  EXPECT_EQ(CodeOf(End(*uploader)), ErrorCode::kUploadFailed);
  EXPECT_TRUE(executor_->RunUntil([this] { return core_->open_uploads() == 0; }));
  auto again = Attach();
  Start(*again);
  EXPECT_EQ(DetailsOf(End(*again))["reason"], "EXPIRED");
  clock_.AdvanceMillis(5001);
  core_->Tick();
  executor_->RunAll();
  again = Attach();
  Start(*again);
  EXPECT_TRUE(Next(*again).has_ready());
}

TEST_F(FilesCoreTest, RefusalsCostNothingOfTheRateWhichOutlivesRestarts) {
  options_.uploads = limits::Rate::Of(2, absl::Hours(1));
  options_.default_limits.max_file_bytes = 100;
  Restart();
  auto uploader = Attach();
  Start(*uploader, "large", std::string(101, 'x'));
  EXPECT_EQ(DetailsOf(End(*uploader))["reason"], "TOO_LARGE");
  for (const char* upload : {"a", "b"}) {
    uploader = Attach();
    Start(*uploader, upload);
    EXPECT_TRUE(Next(*uploader).has_ready());
  }
  Restart();
  uploader = Attach();
  Start(*uploader, "a");
  EXPECT_TRUE(Next(*uploader).has_ready());
  uploader = Attach();
  Start(*uploader, "c");
  const absl::Status refused = End(*uploader);
  EXPECT_EQ(CodeOf(refused), ErrorCode::kRateLimited);
  EXPECT_EQ(DetailsOf(refused)["limit"], "2");
  clock_.AdvanceMillis(1'800'000);
  uploader = Attach();
  Start(*uploader, "c");
  EXPECT_TRUE(Next(*uploader).has_ready());
}

TEST_F(FilesCoreTest, PermissionComesBeforeAnythingElse) {
  auto uploader = std::make_unique<TestUploader>();
  uploader->id = core_->Attach(uploader.get(), std::make_shared<common::v1::Identity>(), "");
  Start(*uploader);
  EXPECT_EQ(CodeOf(End(*uploader)), ErrorCode::kPermissionDenied);
}

TEST_F(FilesCoreTest, SpentMemoryRefusesNewUploadsOnly) {
  auto first = Attach();
  Start(*first);
  Next(*first);
  limits::MemoryCharge charge(&memory_, 900 << 10);
  auto second = Attach();
  Start(*second, "other");
  EXPECT_EQ(DetailsOf(End(*second))["reason"], "MEMORY");
  Chunk(*first, 0);
  EXPECT_TRUE(Next(*first).has_chunk_ack());
}

TEST_F(FilesCoreTest, ACancelledUploadLeavesNothing) {
  auto uploader = Attach();
  Start(*uploader);
  Next(*uploader);
  Chunk(*uploader, 0);
  Next(*uploader);
  v1::UploadRequest cancel;
  cancel.mutable_cancel();
  core_->OnRequest(uploader->id, cancel);
  EXPECT_TRUE(Next(*uploader).has_cancelled());
  EXPECT_TRUE(End(*uploader).ok());
  blobs_->Stop();
  EXPECT_THAT(Folder("incoming"), IsEmpty());
}

TEST_F(FilesCoreTest, ALostBlobFailsTheUploadRatherThanFillingItWithNothing) {
  auto uploader = Attach();
  Start(*uploader);
  Next(*uploader);
  Chunk(*uploader, 0);
  Next(*uploader);
  Close();
  for (const std::string& blob : Folder("incoming")) {
    std::filesystem::remove(directory_ + "/incoming/" + blob);
  }
  Restart();
  uploader = Attach();
  Start(*uploader);
  EXPECT_EQ(DetailsOf(End(*uploader))["reason"], "DATA_LOSS");
}

}  // namespace
}  // namespace covet::files
