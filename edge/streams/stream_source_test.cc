#include "edge/streams/stream_source.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "covet/common/v1/common.pb.h"
#include "edge/streams/pending_batch.h"

namespace covet::edge {
namespace {

SubscribeMessage Message() {
  SubscribeMessage message;
  message.stream_type = "logs";
  message.resource_id = "app";
  return message;
}

TEST(StreamSourceTest, FiltersOfOneMeaningShareAKey) {
  SubscribeMessage a = Message();
  a.filters.tags = {"b", "a", "b"};
  a.filters.fields = {{"x", FilterOp::kIn, "[1, \"a b\" ,2]"}, {"c", FilterOp::kGte, "80"}};
  SubscribeMessage b = Message();
  b.filters.tags = {"a", "b"};
  b.filters.fields = {{"c", FilterOp::kGte, "80"}, {"x", FilterOp::kIn, "[1,\"a b\",2]"}};
  EXPECT_EQ(SourceOf(ParamsOf(a)).key, SourceOf(ParamsOf(b)).key);
  EXPECT_EQ(ParamsOf(a).filter.fields(1).value(), R"([1,"a b",2])");
  b.filters.min_severity = Severity::kWarning;
  EXPECT_NE(SourceOf(ParamsOf(a)).key, SourceOf(ParamsOf(b)).key);
  EXPECT_EQ(ParamsOf(b).filter.min_severity(), streams::v1::SEVERITY_WARNING);
  EXPECT_EQ(SourceOf(ParamsOf(b)).request.stream_type(), streams::v1::STREAM_TYPE_LOGS);
}

TEST(StreamSourceTest, OptionsAreNotPartOfTheKey) {
  SubscribeMessage message = Message();
  const std::string key = SourceOf(ParamsOf(message)).key;
  message.resume = ResumePoint{"e", 7};
  message.history = 3;
  message.batch_interval_ms = 0;
  EXPECT_EQ(SourceOf(ParamsOf(message)).key, key);
}

TEST(StreamSourceTest, AUsersOwnIsTheSameForAllSessionsOfTheUser) {
  common::v1::Identity user;
  user.set_user_id("u");
  user.set_session_id("one");
  user.mutable_expires_at()->set_seconds(7);
  const SubscribeParams params = ParamsOf(Message());
  const StreamSource one = SourceOf(params, &user);
  EXPECT_FALSE(one.identity.empty());
  EXPECT_NE(one.key, SourceOf(params).key);
  user.set_session_id("two");
  user.mutable_expires_at()->set_seconds(8);
  EXPECT_EQ(SourceOf(params, &user).key, one.key);
  user.set_user_id("v");
  EXPECT_NE(SourceOf(params, &user).key, one.key);
}

TEST(StreamSourceTest, IntervalsAreRoundedUp) {
  EXPECT_EQ(RoundUpInterval(0), 0);
  EXPECT_EQ(RoundUpInterval(1), 50);
  EXPECT_EQ(RoundUpInterval(50), 50);
  EXPECT_EQ(RoundUpInterval(501), 1000);
  EXPECT_EQ(RoundUpInterval(9'999), 10'000);
}

StreamBatchPtr BatchOf(std::vector<std::string> texts) {
  auto batch = std::make_shared<StreamBatch>();
  for (std::string& text : texts) {
    batch->records.push_back({static_cast<int64_t>(batch->records.size()) + 1, std::move(text)});
  }
  return batch;
}

std::vector<int64_t> OffsetsOf(const std::vector<RecordRef>& refs) {
  std::vector<int64_t> offsets;
  for (const RecordRef& ref : refs) offsets.push_back(ref.record().offset);
  return offsets;
}

TEST(PendingBatchTest, ConflationKeepsTheNewestOfEachKeyByOffset) {
  PendingBatch pending(/*conflate=*/true);
  const StreamBatchPtr batch = BatchOf({R"({"key":"a"})", R"({"n":{"key":"a"},"key" : "b" })",
                                        R"({"n":1})", R"({"key":"a","n":2})", R"({"n":3})"});
  for (size_t i = 0; i < batch->records.size(); ++i) pending.Add({batch, i});
  EXPECT_EQ(pending.size(), 3);
  EXPECT_EQ(pending.bytes(), batch->records[1].json.size() + batch->records[3].json.size() +
                                 batch->records[4].json.size());
  EXPECT_EQ(OffsetsOf(pending.Take()), (std::vector<int64_t>{2, 4, 5}));
  EXPECT_TRUE(pending.empty());
}

TEST(PendingBatchTest, KeysAreEqualAsTheirValuesAre) {
  const auto key = [](std::string_view value) {
    return ConflationKey(R"({"n":1,"key":)" + std::string(value) + R"(,"z":2})");
  };
  EXPECT_EQ(key(R"("a/b")"), key(R"("\u0061\/b" )"));
  EXPECT_EQ(key("1 "), key("1"));
  EXPECT_EQ(key(R"({"a":[1]} )"), key(R"({"a":[1]})"));
  std::set<std::string> others;
  for (const char* value :
       {R"("1")", "1", "true", "null", R"("null")", R"({"a":1})", R"({"a":2})", "{}", "[]", "[1]",
        "[2]", R"("[2]")", R"("\ud800")", R"("\\ud800")", R"("\"")", R"("")"}) {
    EXPECT_TRUE(others.insert(key(value)).second) << value;
  }
  EXPECT_TRUE(others.insert(ConflationKey(R"({"n":{"key":1}})")).second);
}

TEST(PendingBatchTest, AKeyThatChangesOftenDoesNotPileUp) {
  PendingBatch pending(/*conflate=*/true);
  const StreamBatchPtr batch = BatchOf({R"({"key":"a"})", R"({"key":"b"})"});
  for (int i = 0; i < 10'000; ++i) pending.Add({batch, 0});
  pending.Add({batch, 1});
  for (int i = 0; i < 1'000; ++i) pending.Add({batch, 0});
  EXPECT_EQ(OffsetsOf(pending.Take()), (std::vector<int64_t>{2, 1}));
}

TEST(PendingBatchTest, WithoutConflationEverythingStays) {
  PendingBatch pending(/*conflate=*/false);
  const StreamBatchPtr batch = BatchOf({R"({"key":"a"})", R"({"key":"a"})"});
  pending.Add({batch, 0});
  pending.Add({batch, 1});
  EXPECT_EQ(OffsetsOf(pending.Take()), (std::vector<int64_t>{1, 2}));
}

}  // namespace
}  // namespace covet::edge
