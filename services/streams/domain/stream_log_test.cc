#include "services/streams/domain/stream_log.h"

#include "common/base/manual_clock.h"
#include "common/errors/error.h"
#include "common/eventlog/memory_event_log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/streams/domain/testing/queue_executor.h"

namespace covet::streams {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kLogId[] = "stream:events:orders";

class StreamLogTest : public testing::Test {
 protected:
  StreamLogTest() { Open(); }

  // As after a restart: the storage keeps what was committed.
  void Open(StreamLogOptions options = {}) {
    if (log_ != nullptr) log_->Close(absl::CancelledError("closed"));
    executor_.Run();
    options.keeps_position = true;
    events_ = std::make_unique<eventlog::MemoryEventLog>(eventlog::MemoryOptions{
        .queue_bytes = 1 << 20,
        .executor = [this](std::function<void()> task) { executor_.Post(std::move(task)); },
        .storage = storage_});
    log_ = std::make_shared<StreamLog>(kLogId, *events_, env_, options, [this] { ++advances_; });
    absl::Status opened = absl::UnknownError("not yet");
    log_->WhenReady([&](absl::Status status) { opened = std::move(status); });
    executor_.Run();
    ASSERT_TRUE(opened.ok()) << opened;
  }

  RecordBuffer Buffer(const std::vector<std::string>& texts, uint64_t first_key = 0) {
    RecordBuffer buffer(clock_.WallMillis());
    for (const std::string& text : texts) {
      EXPECT_TRUE(
          buffer
              .Add("{\"timestamp\":" + text + "}", {.dedup_hash = first_key == 0 ? 0 : first_key++})
              .ok());
    }
    return buffer;
  }

  std::shared_ptr<absl::StatusOr<Appended>> Append(RecordBuffer buffer, bool bounded = true) {
    auto result = std::make_shared<absl::StatusOr<Appended>>(absl::UnknownError("not yet"));
    log_->Append(std::move(buffer), bounded,
                 [result](absl::StatusOr<Appended> appended) { *result = std::move(appended); });
    return result;
  }

  StreamPage Read(int64_t after, int64_t max_bytes = 1 << 20) {
    absl::StatusOr<StreamPage> page = absl::UnknownError("not yet");
    log_->Read(after, max_bytes, [&](absl::StatusOr<StreamPage> read) { page = std::move(read); });
    executor_.Run();
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? *std::move(page) : StreamPage{};
  }

  static std::vector<int64_t> Offsets(const StreamPage& page) {
    std::vector<int64_t> offsets;
    for (const RecordBlock& block : page.blocks) {
      block.ForEachAfter(page.after, [&](int64_t offset, const StoredRecord& record) {
        EXPECT_EQ(record.json, "{\"timestamp\":" + std::to_string(offset) + "}");
        offsets.push_back(offset);
        return true;
      });
    }
    return offsets;
  }

  QueueExecutor executor_;
  ManualClock clock_;
  std::shared_ptr<eventlog::MemoryStorage> storage_ = std::make_shared<eventlog::MemoryStorage>();
  StreamLogEnvironment env_{clock_, executor_};
  std::unique_ptr<eventlog::MemoryEventLog> events_;
  StreamLogPtr log_;
  int advances_ = 0;
};

TEST_F(StreamLogTest, GivesDenseOffsetsAndAnswersAfterTheCommit) {
  const auto one = Append(Buffer({"1", "2"}));
  const auto two = Append(Buffer({"3"}));
  EXPECT_EQ(one->status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(log_->head(), 0);
  executor_.Run();
  EXPECT_EQ((*one)->first_offset, 1);
  EXPECT_EQ((*one)->appended, 2);
  EXPECT_EQ((*two)->first_offset, 3);
  EXPECT_THAT((*one)->offsets, IsEmpty());
  EXPECT_EQ(log_->head(), 3);
  EXPECT_EQ(advances_, 1);  // One turn, one row.
  EXPECT_EQ(env_.inflight_bytes, 0);
  EXPECT_THAT(Offsets(Read(0)), ElementsAre(1, 2, 3));
  EXPECT_THAT(Offsets(Read(2)), ElementsAre(3));
  EXPECT_THAT(Offsets(Read(3)), IsEmpty());
}

TEST_F(StreamLogTest, KnowsRepeatedKeysBeforeAndAfterTheirCommitAndARestart) {
  const auto first = Append(Buffer({"1", "2"}, 10));
  const auto both = Append(Buffer({"1", "2"}, 10));
  RecordBuffer mixed(clock_.WallMillis());
  for (const uint64_t key : {uint64_t{11}, uint64_t{12}, uint64_t{12}, uint64_t{0}}) {
    ASSERT_TRUE(
        mixed.Add(key == 0 ? "{\"timestamp\":4}" : "{\"timestamp\":3}", {.dedup_hash = key}).ok());
  }
  const auto some = Append(std::move(mixed));
  EXPECT_FALSE(both->ok());
  executor_.Run();
  EXPECT_EQ((*first)->duplicates, 0);
  EXPECT_EQ((*both)->duplicates, 2);
  EXPECT_EQ((*both)->appended, 0);
  EXPECT_THAT((*both)->offsets, ElementsAre(1, 2));
  EXPECT_EQ((*some)->duplicates, 2);
  EXPECT_EQ((*some)->appended, 2);
  EXPECT_THAT((*some)->offsets, ElementsAre(2, 3, 3, 4));
  Open();
  const auto again = Append(Buffer({"1", "2"}, 10));
  executor_.Run();
  EXPECT_THAT((*again)->offsets, ElementsAre(1, 2));
  clock_.AdvanceMillis(599'999);
  const auto in_time = Append(Buffer({"1"}, 10));
  executor_.Run();
  EXPECT_EQ((*in_time)->duplicates, 1);
  clock_.AdvanceMillis(1);
  const auto later = Append(Buffer({"5"}, 10));
  executor_.Run();
  EXPECT_EQ((*later)->first_offset, 5);
  EXPECT_EQ((*later)->appended, 1);
}

TEST_F(StreamLogTest, KnowsTheKeysOfTheWholeWindowAfterARestart) {
  constexpr int kBatches = 45;
  const auto batch = [&](int n) {
    RecordBuffer buffer(clock_.WallMillis());
    for (int i = 0; i < 1'000; ++i) {
      EXPECT_TRUE(buffer.Add("{}", {.dedup_hash = static_cast<uint64_t>(n * 1'000 + i + 1)}).ok());
    }
    return buffer;
  };
  for (int n = 0; n < kBatches; ++n) {
    // The first one is before the window when the log is opened again.
    if (n == 1) clock_.AdvanceMillis(2'000);
    const auto appended = Append(batch(n));
    executor_.Run();
    ASSERT_TRUE(appended->ok());
  }
  StreamLogOptions options;
  options.dedup_window_ms = 1'000;
  Open(options);
  const auto known = Append(batch(1));
  const auto forgotten = Append(batch(0));
  executor_.Run();
  EXPECT_EQ((*known)->duplicates, 1'000);
  EXPECT_EQ((*known)->offsets.front(), 1'001);
  EXPECT_EQ((*forgotten)->duplicates, 0);
  // No more than may be known at once is read back.
  options.max_dedup_keys = 25'000;
  Open(options);
  const auto old = Append(batch(1));
  const auto recent = Append(batch(kBatches - 1));
  executor_.Run();
  EXPECT_EQ((*old)->duplicates, 0);
  EXPECT_EQ((*recent)->duplicates, 1'000);
}

TEST_F(StreamLogTest, ReadsWhatItNoLongerHasInMemory) {
  Open({.cache_blocks = 1});
  for (int i = 1; i <= 5; ++i) {
    Append(Buffer({std::to_string(i)}));
    executor_.Run();
  }
  EXPECT_THAT(Offsets(Read(0)), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Offsets(Read(4)), ElementsAre(5));
  const StreamPage page = Read(1, /*max_bytes=*/1);
  EXPECT_THAT(Offsets(page), ElementsAre(2));
  EXPECT_EQ(page.last_offset, 2);
  EXPECT_EQ(page.head, 5);
  Open({.cache_blocks = 1});
  EXPECT_THAT(Offsets(Read(3)), ElementsAre(4, 5));
}

TEST_F(StreamLogTest, RefusesPublishersButNotSourcesWhenTooMuchWaits) {
  env_.max_inflight_bytes = 10;
  const auto one = Append(Buffer({"1", "2"}));
  const auto refused = Append(Buffer({"3"}));
  const auto source = Append(Buffer({"3"}), /*bounded=*/false);
  EXPECT_EQ(CodeOf(refused->status()), ErrorCode::kUnavailable);
  executor_.Run();
  EXPECT_TRUE(one->ok());
  EXPECT_EQ((*source)->first_offset, 3);
}

TEST_F(StreamLogTest, GoesOnAfterABatchThatTheLogRefused) {
  // More than the log's queue takes.
  RecordBuffer large(clock_.WallMillis());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(
        large.Add("{\"timestamp\":1,\"x\":\"" + std::string(60'000, 'x') + "\"}", {.dedup_hash = 7})
            .ok());
  }
  Append(Buffer({"1"}));
  const auto refused = Append(std::move(large));
  executor_.Run();
  // The keys of one batch repeat each other, so one record is left of it; fill the queue in rows.
  EXPECT_TRUE(refused->ok());
  std::vector<std::shared_ptr<absl::StatusOr<Appended>>> results;
  for (int i = 0; i < 40; ++i) {
    RecordBuffer buffer(clock_.WallMillis());
    ASSERT_TRUE(buffer
                    .Add("{\"timestamp\":1,\"x\":\"" + std::string(60'000, 'x') + "\"}",
                         {.dedup_hash = static_cast<uint64_t>(100 + i)})
                    .ok());
    results.push_back(Append(std::move(buffer)));
  }
  executor_.Run();
  int64_t committed = 0;
  for (const auto& result : results) committed += result->ok();
  EXPECT_GT(committed, 0);
  EXPECT_LT(committed, 40);
  EXPECT_EQ(log_->head(), 2 + committed);
  EXPECT_EQ(env_.inflight_bytes, 0);
  // What was refused may be tried again: its keys were forgotten.
  RecordBuffer again(clock_.WallMillis());
  ASSERT_TRUE(again.Add("{\"timestamp\":1}", {.dedup_hash = 139}).ok());
  const auto retried = Append(std::move(again));
  executor_.Run();
  ASSERT_TRUE(retried->ok());
  EXPECT_EQ((*retried)->duplicates, 0);
  EXPECT_EQ((*retried)->first_offset, 3 + committed);
}

TEST_F(StreamLogTest, TrimsToItsRetentionAndTellsReaders) {
  Open({.retention = {.max_count = 3}});
  for (int i = 1; i <= 10; ++i) {
    Append(Buffer({std::to_string(i)}));
    executor_.Run();
  }
  EXPECT_EQ(log_->first_offset(), 8);
  const StreamPage page = Read(2);
  EXPECT_EQ(page.after, 7);
  EXPECT_THAT(Offsets(page), ElementsAre(8, 9, 10));
  log_->SetRetention({.max_age_ms = 1'000});
  clock_.AdvanceMillis(2'000);
  log_->Tick();
  executor_.Run();
  EXPECT_EQ(log_->first_offset(), 11);
  EXPECT_EQ(log_->head(), 10);
  EXPECT_EQ(Read(0).last_offset, 10);
}

TEST_F(StreamLogTest, TrimsAllThatIsTooOldThoughEachStepIsBounded) {
  Open({.retention = {.max_age_ms = 3'600'000}});
  for (int i = 0; i < 20; ++i) {
    RecordBuffer buffer(clock_.WallMillis());
    for (int n = 0; n < 500; ++n) ASSERT_TRUE(buffer.Add("{\"timestamp\":1}").ok());
    Append(std::move(buffer));
    executor_.Run();
  }
  clock_.AdvanceMillis(3'700'000);
  log_->Tick();
  executor_.Run();
  EXPECT_EQ(log_->first_offset(), 10'001);
}

TEST_F(StreamLogTest, KeepsTheSourcesPositionWithItsRecords) {
  RecordBuffer buffer = Buffer({"1"});
  buffer.SetPosition("one");
  Append(std::move(buffer));
  EXPECT_EQ(log_->position(), "");
  executor_.Run();
  EXPECT_EQ(log_->position(), "one");
  // Nothing but the record has told it so far.
  Open();
  EXPECT_EQ(log_->position(), "one");
}

TEST_F(StreamLogTest, KeepsThePositionThoughTheRecordThatToldItIsTrimmed) {
  Open({.retention = {.max_age_ms = 1'000}});
  RecordBuffer buffer = Buffer({"1"});
  buffer.SetPosition("one");
  Append(std::move(buffer));
  executor_.Run();
  clock_.AdvanceMillis(5'000);
  log_->Tick();
  executor_.Run();
  EXPECT_EQ(log_->first_offset(), 2);
  Open();
  EXPECT_EQ(log_->position(), "one");
}

TEST_F(StreamLogTest, KeepsAPositionWithoutRecordsBehindWhatCameBefore) {
  RecordBuffer buffer = Buffer({"1"});
  buffer.SetPosition("one");
  Append(std::move(buffer));
  RecordBuffer alone(clock_.WallMillis());
  alone.SetPosition("two");
  const auto stored = Append(std::move(alone));
  RecordBuffer next = Buffer({"2"});
  next.SetPosition("three");
  Append(std::move(next));
  executor_.Run();
  EXPECT_TRUE(stored->ok());
  EXPECT_EQ(log_->position(), "three");
  Open();
  EXPECT_EQ(log_->position(), "three");
  RecordBuffer last(clock_.WallMillis());
  last.SetPosition("four");
  Append(std::move(last));
  executor_.Run();
  Open();
  EXPECT_EQ(log_->position(), "four");
}

TEST_F(StreamLogTest, MarksAGapOnTheNextRecordThatComes) {
  RecordBuffer gap(clock_.WallMillis());
  gap.MarkGap();
  Append(std::move(gap));
  Append(Buffer({"1", "2"}));
  executor_.Run();
  std::vector<bool> gaps;
  const StreamPage page = Read(0);
  page.blocks.at(0).ForEachAfter(0, [&](int64_t, const StoredRecord& record) {
    gaps.push_back(record.gap);
    return true;
  });
  EXPECT_THAT(gaps, ElementsAre(true, false));
  EXPECT_EQ(env_.gaps, 1);
}

TEST_F(StreamLogTest, BeginsAnewAfterItsDeletion) {
  Append(Buffer({"1"}));
  executor_.Run();
  const std::string epoch = log_->epoch();
  log_->Delete(absl::CancelledError("gone"));
  EXPECT_EQ(Append(Buffer({"1"}))->status().code(), absl::StatusCode::kCancelled);
  Open();
  EXPECT_NE(log_->epoch(), epoch);
  EXPECT_EQ(log_->head(), 0);
}

}  // namespace
}  // namespace covet::streams
