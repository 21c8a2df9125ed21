#include "common/eventlog/event_log_conformance.h"

#include <algorithm>
#include <future>
#include <utility>

#include "common/eventlog/record_codec.h"
#include "gmock/gmock.h"

namespace covet::eventlog {

void EventLogConformance::SetUp() {
  harness_ = GetParam().make_harness();
  log_ = harness_->Open(kQueueBytes);
  ASSERT_NE(log_, nullptr);
}

void EventLogConformance::Reopen() {
  log_.reset();
  log_ = harness_->Open(kQueueBytes);
  ASSERT_NE(log_, nullptr);
}

Batch EventLogConformance::MakeBatch(const std::string& log_id, const std::string& epoch,
                                     int64_t first_offset, const std::vector<std::string>& records,
                                     int64_t time_ms) {
  Batch batch{log_id, epoch, first_offset, time_ms, {}};
  for (const std::string& record : records) {
    batch.records.push_back(std::make_shared<const std::string>(record));
  }
  return batch;
}

std::string EventLogConformance::Fill(const std::string& log_id,
                                      const std::vector<std::string>& records, int64_t time_ms,
                                      int64_t step_ms) {
  const absl::StatusOr<LogState> state = log().Create(log_id);
  EXPECT_TRUE(state.ok()) << state.status();
  if (!state.ok()) return "";
  std::promise<void> last;
  for (size_t i = 0; i < records.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    log_->Append(MakeBatch(log_id, state->epoch, state->last_offset + 1 + index, {records[i]},
                           time_ms + index * step_ms),
                 [&, is_last = i + 1 == records.size()](absl::Status status) {
                   EXPECT_TRUE(status.ok()) << status;
                   if (is_last) last.set_value();
                 });
  }
  if (!records.empty()) last.get_future().wait();
  return state->epoch;
}

std::vector<std::string> EventLogConformance::Texts(const absl::StatusOr<ReadResult>& result) {
  EXPECT_TRUE(result.ok()) << result.status();
  std::vector<std::string> texts;
  if (!result.ok()) return texts;
  for (const Record& record : result->records) texts.push_back(record.data);
  return texts;
}

std::vector<int64_t> EventLogConformance::Offsets(const absl::StatusOr<ReadResult>& result) {
  EXPECT_TRUE(result.ok()) << result.status();
  std::vector<int64_t> offsets;
  if (!result.ok()) return offsets;
  for (const Record& record : result->records) offsets.push_back(record.offset);
  return offsets;
}

std::vector<std::string> EventLogConformance::Numbered(int count, size_t size) {
  std::vector<std::string> records;
  for (int i = 1; i <= count; ++i) {
    std::string record = std::to_string(i);
    record.resize(std::max(record.size(), size), '.');
    records.push_back(std::move(record));
  }
  return records;
}

std::string CaseName(const testing::TestParamInfo<ConformanceCase>& info) {
  return info.param.name;
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST_P(EventLogConformance, NewLogIsEmptyAndBeginsAtOne) {
  const auto made = log().Create("room:a");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_FALSE(made->epoch.empty());
  EXPECT_EQ(made->first_offset, 1);
  EXPECT_EQ(made->last_offset, 0);
  EXPECT_EQ(made->bytes, 0);

  const auto head = log().Head("room:a");
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->epoch, made->epoch);
  EXPECT_EQ(head->last_offset, 0);
  EXPECT_THAT(Texts(log().Read("room:a", 0, 10)), IsEmpty());
}

TEST_P(EventLogConformance, CreateAnswersTheExistingLog) {
  const std::string epoch = Fill("room:a", {"one", "two"});
  const auto again = log().Create("room:a");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->epoch, epoch);
  EXPECT_EQ(again->last_offset, 2);
  EXPECT_EQ(again->bytes, 6);
}

TEST_P(EventLogConformance, EpochsDiffer) {
  EXPECT_NE(log().Create("room:a")->epoch, log().Create("room:b")->epoch);
}

TEST_P(EventLogConformance, AppendedRecordsComeBackExactly) {
  const std::string epoch = log().Create("room:a")->epoch;
  const std::string binary("\0\xff\n\0", 4);
  const std::string large(300'000, 'x');
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 1, {"first", "", binary}, 5000)).ok());
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 4, {large}, 6000)).ok());

  const auto result = log().Read("room:a", 0, 100);
  EXPECT_THAT(Offsets(result), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Texts(result), ElementsAre("first", "", binary, large));
  EXPECT_EQ(result->records[2].time_ms, 5000);
  EXPECT_EQ(result->records[3].time_ms, 6000);
  EXPECT_EQ(result->state.epoch, epoch);
  EXPECT_EQ(result->state.first_offset, 1);
  EXPECT_EQ(result->state.last_offset, 4);
  EXPECT_EQ(result->state.bytes, 300'009);
}

TEST_P(EventLogConformance, EncodedBatchesAreAsGoodAsOthers) {
  const std::string epoch = Fill("stream:metrics:db", {"one"});
  Batch batch{"stream:metrics:db", epoch, 2, 5, {}};
  batch.encoded_count = 3;
  std::string blob;
  for (const std::string& record : {std::string("two"), std::string(), std::string(300, 'x')}) {
    EncodeRecord(record, &blob);
  }
  batch.encoded = std::make_shared<const std::string>(blob);
  Batch wrong = batch;
  wrong.encoded_count = 2;
  EXPECT_EQ(log().Append(wrong).code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(log().Append(batch).ok());
  const auto read = log().Read("stream:metrics:db", 0, 10);
  EXPECT_THAT(Texts(read), testing::ElementsAre("one", "two", "", std::string(300, 'x')));
  EXPECT_EQ(read->state.bytes, 306);
  EXPECT_THAT(Texts(log().Read("stream:metrics:db", 2, 1)), testing::ElementsAre(""));
}

TEST_P(EventLogConformance, LogsDoNotMix) {
  Fill("room:a", {"a1", "a2"});
  Fill("room:ab", {"ab1"});
  Fill("room:a", {"a3"});
  EXPECT_THAT(Texts(log().Read("room:a", 0, 10)), ElementsAre("a1", "a2", "a3"));
  EXPECT_THAT(Texts(log().Read("room:ab", 0, 10)), ElementsAre("ab1"));
}

TEST_P(EventLogConformance, UnknownLogIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(log().Head("room:none").status()));
  EXPECT_TRUE(absl::IsNotFound(log().Read("room:none", 0, 1).status()));
  EXPECT_TRUE(absl::IsNotFound(log().ReadSince("room:none", 0, 1).status()));
  EXPECT_TRUE(absl::IsNotFound(log().Trim("room:none", {.max_count = 1}, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(log().Append(MakeBatch("room:none", "e", 1, {"x"}))));
  EXPECT_TRUE(absl::IsNotFound(log().Head("room:none").status()));
}

TEST_P(EventLogConformance, MalformedWritesAreRefused) {
  const std::string epoch = log().Create("room:a")->epoch;
  EXPECT_TRUE(absl::IsInvalidArgument(log().Append(MakeBatch("room:a", epoch, 1, {}))));
  EXPECT_TRUE(absl::IsInvalidArgument(log().Create("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(log().Put("", "value")));
}

TEST_P(EventLogConformance, WrongEpochIsFenced) {
  const std::string epoch = Fill("room:a", {"one"});
  EXPECT_TRUE(absl::IsFailedPrecondition(log().Append(MakeBatch("room:a", "other", 2, {"x"}))));
  EXPECT_TRUE(log().Append(MakeBatch("room:a", epoch, 2, {"two"})).ok());
  EXPECT_THAT(Texts(log().Read("room:a", 0, 10)), ElementsAre("one", "two"));
}

TEST_P(EventLogConformance, WrongOffsetIsFenced) {
  const std::string epoch = Fill("room:a", {"one", "two"});
  for (const int64_t wrong : {0, 1, 2, 4, -1}) {
    EXPECT_TRUE(absl::IsAborted(log().Append(MakeBatch("room:a", epoch, wrong, {"x"})))) << wrong;
  }
  EXPECT_TRUE(log().Append(MakeBatch("room:a", epoch, 3, {"three"})).ok());
  EXPECT_THAT(Texts(log().Read("room:a", 0, 10)), ElementsAre("one", "two", "three"));
}

TEST_P(EventLogConformance, APipelinedBatchFailsWithTheOneBefore) {
  const std::string epoch = log().Create("room:a")->epoch;
  std::promise<void> done;
  std::vector<absl::StatusCode> codes;
  const auto collect = [&](absl::Status status) { codes.push_back(status.code()); };
  log_->Append(MakeBatch("room:a", epoch, 1, {"one"}), collect);
  log_->Append(MakeBatch("room:a", "other", 2, {"lost"}), collect);
  log_->Append(MakeBatch("room:a", epoch, 3, {"after"}), collect);
  log_->Append(MakeBatch("room:a", epoch, 2, {"two"}), [&](absl::Status status) {
    collect(status);
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_THAT(codes, ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kFailedPrecondition,
                                 absl::StatusCode::kAborted, absl::StatusCode::kOk));
  EXPECT_THAT(Texts(log().Read("room:a", 0, 10)), ElementsAre("one", "two"));
}

TEST_P(EventLogConformance, ReadsBeginAfterTheGivenOffset) {
  const std::string epoch = log().Create("room:a")->epoch;
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 1, {"1", "2", "3"})).ok());
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 4, {"4"})).ok());
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 5, {"5", "6"})).ok());
  // Every start and every limit, within batches and at their edges.
  for (int64_t after = -1; after <= 7; ++after) {
    for (int32_t limit = 0; limit <= 7; ++limit) {
      std::vector<int64_t> expected;
      for (int64_t offset = std::max<int64_t>(after, 0) + 1; offset <= 6; ++offset) {
        if (static_cast<int32_t>(expected.size()) < limit) expected.push_back(offset);
      }
      const auto result = log().Read("room:a", after, limit);
      EXPECT_EQ(Offsets(result), expected) << after << " " << limit;
      for (const Record& record : result->records) {
        EXPECT_EQ(record.data, std::to_string(record.offset));
      }
    }
  }
}

TEST_P(EventLogConformance, ReadsAreBoundedInBytes) {
  const std::string epoch = log().Create("room:a")->epoch;
  const std::string record(1000, 'r');
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 1, {record, record, record})).ok());
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 4, {record, record})).ok());
  EXPECT_THAT(Offsets(log().Read("room:a", 0, 100, 2000)), ElementsAre(1, 2));
  EXPECT_THAT(Offsets(log().Read("room:a", 2, 100, 2999)), ElementsAre(3, 4));
  // One at least, so that a reader gets on.
  EXPECT_THAT(Offsets(log().Read("room:a", 1, 100, 10)), ElementsAre(2));
  EXPECT_THAT(Offsets(log().Read("room:a", 1, 100, 0)), ElementsAre(2));
}

TEST_P(EventLogConformance, ReadsSeeEveryAcknowledgedWrite) {
  const std::string epoch = log().Create("room:a")->epoch;
  for (int64_t offset = 1; offset <= 50; ++offset) {
    ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, offset, {"r"})).ok());
    ASSERT_EQ(log().Head("room:a")->last_offset, offset);
    ASSERT_THAT(Offsets(log().Read("room:a", offset - 1, 10)), ElementsAre(offset));
  }
}

TEST_P(EventLogConformance, ReadSinceGivesTheNewest) {
  Fill("room:a", Numbered(6), /*time_ms=*/1000, /*step_ms=*/10);
  EXPECT_THAT(Texts(log().ReadSince("room:a", 1030, 100)), ElementsAre("4", "5", "6"));
  EXPECT_THAT(Texts(log().ReadSince("room:a", 1031, 100)), ElementsAre("5", "6"));
  EXPECT_THAT(Texts(log().ReadSince("room:a", 0, 2)), ElementsAre("5", "6"));
  EXPECT_THAT(Texts(log().ReadSince("room:a", 0, 100)), ElementsAre("1", "2", "3", "4", "5", "6"));
  EXPECT_THAT(Texts(log().ReadSince("room:a", 1051, 100)), IsEmpty());
  EXPECT_THAT(Texts(log().ReadSince("room:a", 0, 0)), IsEmpty());
  EXPECT_EQ(log().ReadSince("room:a", 1051, 100)->state.last_offset, 6);
}

TEST_P(EventLogConformance, ReadSinceCutsWithinABatch) {
  const std::string epoch = log().Create("room:a")->epoch;
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 1, {"1", "2", "3"}, 1000)).ok());
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 4, {"4", "5"}, 1000)).ok());
  EXPECT_THAT(Texts(log().ReadSince("room:a", 1000, 3)), ElementsAre("3", "4", "5"));
  EXPECT_THAT(Texts(log().ReadSince("room:a", 1000, 1)), ElementsAre("5"));
}

TEST_P(EventLogConformance, TrimByAge) {
  Fill("room:a", Numbered(6), /*time_ms=*/1000, /*step_ms=*/10);
  const auto state = log().Trim("room:a", {.max_age_ms = 25}, 1055);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->first_offset, 4);
  EXPECT_EQ(state->last_offset, 6);
  EXPECT_EQ(state->bytes, 3);
  const auto left = log().Read("room:a", 0, 10);
  EXPECT_THAT(Texts(left), ElementsAre("4", "5", "6"));
  EXPECT_EQ(left->state.first_offset, 4);
  EXPECT_EQ(left->state.bytes, 3);
  EXPECT_THAT(Texts(log().ReadSince("room:a", 0, 100)), ElementsAre("4", "5", "6"));
}

TEST_P(EventLogConformance, TrimByCount) {
  Fill("room:a", Numbered(6));
  const auto state = log().Trim("room:a", {.max_count = 2}, 1'000'000);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->first_offset, 5);
  EXPECT_THAT(Texts(log().Read("room:a", 0, 10)), ElementsAre("5", "6"));
  EXPECT_THAT(Texts(log().Read("room:a", 5, 10)), ElementsAre("6"));
}

TEST_P(EventLogConformance, TrimByBytes) {
  Fill("room:a", {"aaaa", "bbbb", "cccc", "dddd"});
  EXPECT_EQ(log().Trim("room:a", {.max_bytes = 16}, 0)->first_offset, 1);
  EXPECT_EQ(log().Trim("room:a", {.max_bytes = 15}, 0)->first_offset, 2);
  const auto state = log().Trim("room:a", {.max_bytes = 9}, 0);
  EXPECT_EQ(state->first_offset, 3);
  EXPECT_EQ(state->bytes, 8);
}

TEST_P(EventLogConformance, AnyBoundOfSeveralTrims) {
  Fill("room:a", Numbered(6), /*time_ms=*/1000, /*step_ms=*/10);
  // Age covers 3 to 6, count all but 1, bytes 4 to 6.
  const Retention retention{.max_age_ms = 30, .max_count = 5, .max_bytes = 3};
  EXPECT_EQ(log().Trim("room:a", retention, 1050)->first_offset, 4);
}

TEST_P(EventLogConformance, NoBoundTrimsNothing) {
  Fill("room:a", Numbered(3));
  EXPECT_EQ(log().Trim("room:a", {}, int64_t{1} << 50)->first_offset, 1);
}

TEST_P(EventLogConformance, TrimKeepsNoMoreThanTheRestOfABatch) {
  const std::string epoch = log().Create("room:a")->epoch;
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 1, {"1", "2", "3"})).ok());
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 4, {"4", "5", "6"})).ok());
  const auto state = log().Trim("room:a", {.max_count = 2}, 1000);
  EXPECT_GE(state->first_offset, 4);
  EXPECT_LE(state->first_offset, 5);
  const auto left = log().Read("room:a", 0, 10);
  EXPECT_EQ(Offsets(left).front(), state->first_offset);
  EXPECT_EQ(Offsets(left).back(), 6);
  EXPECT_EQ(left->state.bytes, static_cast<int64_t>(left->records.size()));
}

TEST_P(EventLogConformance, TheNewestOffsetIsNeverForgotten) {
  const std::string epoch = Fill("room:a", Numbered(5));
  const auto state = log().Trim("room:a", {.max_age_ms = 1}, 1'000'000);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->first_offset, 6);
  EXPECT_EQ(state->last_offset, 5);
  EXPECT_EQ(state->bytes, 0);
  if (harness_->keeps_data()) Reopen();
  const auto head = log().Head("room:a");
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->first_offset, 6);
  EXPECT_EQ(head->last_offset, 5);
  EXPECT_EQ(head->epoch, epoch);
  EXPECT_TRUE(absl::IsAborted(log().Append(MakeBatch("room:a", epoch, 1, {"x"}))));
  ASSERT_TRUE(log().Append(MakeBatch("room:a", epoch, 6, {"six"})).ok());
  const auto result = log().Read("room:a", 0, 10);
  EXPECT_THAT(Texts(result), ElementsAre("six"));
  EXPECT_EQ(result->state.first_offset, 6);
  EXPECT_EQ(result->state.bytes, 3);
}

TEST_P(EventLogConformance, TrimGoesInBoundedStepsAndGetsThere) {
  const std::string epoch = log().Create("room:a")->epoch;
  constexpr int64_t kBatches = 300;
  for (int64_t i = 0; i < kBatches; ++i) {
    log_->Append(MakeBatch("room:a", epoch, 1 + i * 50, Numbered(50)),
                 [](absl::Status status) { EXPECT_TRUE(status.ok()) << status; });
  }
  int64_t first = 1;
  int steps = 0;
  while (first != kBatches * 50 + 1) {
    const auto state = log().Trim("room:a", {.max_age_ms = 1}, 1'000'000);
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_GT(state->first_offset, first);
    EXPECT_LE(state->first_offset - first, 5000);
    first = state->first_offset;
    ++steps;
  }
  EXPECT_GE(steps, 3);
}

TEST_P(EventLogConformance, DeletedLogIsGoneAndComesBackWithANewEpoch) {
  const std::string old_epoch = Fill("room:a", Numbered(20));
  Fill("room:b", {"stays"});
  ASSERT_TRUE(log().Delete("room:a").ok());
  EXPECT_TRUE(absl::IsNotFound(log().Head("room:a").status()));
  EXPECT_TRUE(absl::IsNotFound(log().Append(MakeBatch("room:a", old_epoch, 21, {"x"}))));

  const auto made = log().Create("room:a");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_NE(made->epoch, old_epoch);
  EXPECT_EQ(made->first_offset, 1);
  EXPECT_EQ(made->last_offset, 0);
  EXPECT_EQ(made->bytes, 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(log().Append(MakeBatch("room:a", old_epoch, 1, {"x"}))));
  ASSERT_TRUE(log().Append(MakeBatch("room:a", made->epoch, 1, {"new"})).ok());
  EXPECT_THAT(Texts(log().Read("room:a", 0, 10)), ElementsAre("new"));
  EXPECT_THAT(Texts(log().Read("room:b", 0, 10)), ElementsAre("stays"));
}

TEST_P(EventLogConformance, DeletingNothingIsOk) { EXPECT_TRUE(log().Delete("room:none").ok()); }

TEST_P(EventLogConformance, ValuesAreKept) {
  ASSERT_TRUE(log().Put("k", "one").ok());
  EXPECT_THAT(*log().Scan("", "", 10), ElementsAre(Pair("k", "one")));
  ASSERT_TRUE(log().Put("k", "two").ok());
  EXPECT_THAT(*log().Scan("", "", 10), ElementsAre(Pair("k", "two")));
  ASSERT_TRUE(log().Erase("k").ok());
  EXPECT_THAT(*log().Scan("", "", 10), IsEmpty());
  EXPECT_TRUE(log().Erase("k").ok());
}

TEST_P(EventLogConformance, ScanPagesThroughAPrefixInOrder) {
  for (const char* key : {"room/b", "roon", "room/a", "room/", "rooM/z", "room/c", "room/\xff"}) {
    ASSERT_TRUE(log().Put(key, key).ok());
  }
  std::vector<std::string> keys;
  for (std::string after;;) {
    const auto page = log().Scan("room/", after, 2);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_LE(page->size(), 2u);
    for (const auto& [key, value] : *page) {
      EXPECT_EQ(key, value);
      keys.push_back(key);
    }
    if (page->size() < 2) break;
    after = keys.back();
  }
  EXPECT_THAT(keys, ElementsAre("room/", "room/a", "room/b", "room/c", "room/\xff"));
  EXPECT_THAT(*log().Scan("room/", "room/\xff", 2), IsEmpty());
  EXPECT_THAT(*log().Scan("room/", "zzz", 2), IsEmpty());
  EXPECT_THAT(*log().Scan("room/", "a", 1), ElementsAre(Pair("room/", "room/")));
  EXPECT_THAT(*log().Scan("room/", "", 0), IsEmpty());
}

TEST_P(EventLogConformance, BinaryValuesAndKeysAreExact) {
  const std::string key("k\0\xff", 3);
  const std::string value("\0v\0", 3);
  ASSERT_TRUE(log().Put(key, value).ok());
  ASSERT_TRUE(log().Put("empty", "").ok());
  EXPECT_THAT(*log().Scan("", "", 10), ElementsAre(Pair("empty", ""), Pair(key, value)));
}

}  // namespace
}  // namespace covet::eventlog
