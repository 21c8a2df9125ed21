#include "services/rooms/domain/room_table.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/rooms/domain/errors.h"
#include "services/rooms/domain/testing/log_fixture.h"

namespace covet::rooms {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class RoomTableTest : public LogFixture {
 protected:
  RoomTableTest() {
    options_.patterns.push_back({"lobby_*", {}, false});
    OpenMemory();
    OpenLog();
    Start();
  }
  ~RoomTableTest() override {
    log_.reset();
    memory_.reset();
  }

  void OpenMemory() {
    eventlog::MemoryOptions options;
    options.ids = &ids_;
    options.executor = [this](std::function<void()> task) { executor_.Post(std::move(task)); };
    memory_ = std::make_unique<eventlog::MemoryEventLog>(std::move(options));
  }

  void Start() {
    table_ = std::make_unique<RoomTable>(options_, clock_, executor_, *log_, *memory_,
                                         [this](Room& room, const PendingBatch& batch) {
                                           commits_.emplace_back(room.id(), batch.events.size());
                                         });
    absl::Status started = absl::UnknownError("no answer");
    table_->Start([&](const absl::Status& status) { started = status; });
    executor_.Run();
    ASSERT_TRUE(started.ok()) << started;
  }
  void Restart(size_t committed = 0, int64_t queue_bytes = 64 << 20) {
    Crash(committed);
    memory_->Crash(0);
    executor_.Run();
    table_.reset();
    memory_.reset();
    OpenMemory();
    OpenLog(queue_bytes);
    Start();
  }

  RoomPtr Create(const std::string& room_id, v1::Durability durability = v1::DURABILITY_DISK) {
    v1::Room definition;
    definition.set_room_id(room_id);
    definition.set_durability(durability);
    return Create(definition);
  }
  RoomPtr Create(const v1::Room& definition) {
    RoomPtr made;
    table_->Create(definition, [&](const absl::StatusOr<RoomPtr>& room) { made = *room; });
    executor_.Run();
    EXPECT_NE(made, nullptr);
    return made;
  }
  RoomPtr CreateKeptFor(int64_t seconds) {
    v1::Room definition;
    definition.set_room_id("r");
    definition.mutable_retention()->mutable_max_age()->set_seconds(seconds);
    return Create(definition);
  }
  RoomPtr Ready(const std::string& room_id) {
    const RoomPtr room = table_->Find(room_id);
    absl::Status ready = absl::UnknownError("no answer");
    table_->WhenReady(room, [&](const absl::Status& status) { ready = status; });
    executor_.Run();
    EXPECT_TRUE(ready.ok()) << ready;
    return room;
  }

  // What became of a message: its offset, or -1 if it was refused.
  using Outcome = std::shared_ptr<std::optional<int64_t>>;
  Outcome BeginAppend(const RoomPtr& room, const std::string& payload, uint64_t dedup_hash = 0) {
    v1::StoredEvent event;
    event.set_payload(payload);
    event.set_time_ms(clock_.WallMillis());
    event.set_dedup_hash(dedup_hash);
    Outcome outcome = std::make_shared<std::optional<int64_t>>();
    table_->Append(room, event, [outcome](const absl::StatusOr<Published>& published) {
      *outcome = published.ok() ? published->offset : -1;
    });
    return outcome;
  }
  int64_t Append(const RoomPtr& room, const std::string& payload, uint64_t dedup_hash = 0) {
    const Outcome outcome = BeginAppend(room, payload, dedup_hash);
    executor_.Run();
    return outcome->value_or(0);
  }
  absl::StatusOr<RoomPage> Read(const RoomPtr& room, int64_t after, int32_t limit = 1'000,
                                int64_t max_bytes = 1 << 20) {
    absl::StatusOr<RoomPage> page = absl::UnknownError("no answer");
    table_->Read(room, after, limit, max_bytes, [&](auto read) { page = std::move(read); });
    executor_.Run();
    return page;
  }
  static std::vector<int64_t> Offsets(const RoomPage& page) {
    std::vector<int64_t> offsets;
    for (const auto& [offset, record] : page.records) offsets.push_back(offset);
    return offsets;
  }

  RoomsOptions options_;
  std::unique_ptr<eventlog::MemoryEventLog> memory_;
  std::vector<std::pair<std::string, size_t>> commits_;
  std::unique_ptr<RoomTable> table_;
};

TEST_F(RoomTableTest, ARoomIsFoundAtOnceAndReadyOnceCommitted) {
  v1::Room definition;
  definition.set_room_id("r");
  bool made = false;
  table_->Create(definition, [&](const absl::StatusOr<RoomPtr>& room) { made = room.ok(); });
  const RoomPtr room = table_->Find("r");
  ASSERT_NE(room, nullptr);
  std::vector<int> order;
  table_->WhenReady(room, [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok());
    EXPECT_TRUE(made);
    order.push_back(1);
  });
  table_->WhenReady(room, [&](const absl::Status&) { order.push_back(2); });
  EXPECT_THAT(order, IsEmpty());
  executor_.Run();
  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_TRUE(room->definition.has_created_at());
}

TEST_F(RoomTableTest, StaticRoomsAreMadeWhereTheyAreMissing) {
  v1::Room room;
  room.set_room_id("static");
  options_.static_rooms.push_back(room);
  Restart();
  const std::string epoch = Ready("static")->epoch;
  EXPECT_FALSE(epoch.empty());
  Restart();
  EXPECT_EQ(Ready("static")->epoch, epoch);
}

TEST_F(RoomTableTest, AppendsOfOneTurnAreOneBatchInOrder) {
  const RoomPtr room = Create("r");
  const Outcome first = BeginAppend(room, "1");
  const Outcome second = BeginAppend(room, "2");
  EXPECT_FALSE(first->has_value());
  EXPECT_EQ(room->head, 0);
  executor_.Run();
  EXPECT_EQ(*first, 1);
  EXPECT_EQ(*second, 2);
  EXPECT_EQ(room->head, 2);
  EXPECT_EQ(Append(room, "3"), 3);
  EXPECT_THAT(commits_, ElementsAre(Pair("r", 2u), Pair("r", 1u)));
}

TEST_F(RoomTableTest, WhatWasCommittedSurvivesAndGoesOn) {
  const RoomPtr room = Create("r");
  Append(room, "1");
  Append(room, "2", 77);
  BeginAppend(room, "lost");
  const std::string epoch = room->epoch;
  Restart();
  const RoomPtr again = Ready("r");
  EXPECT_EQ(again->epoch, epoch);
  EXPECT_EQ(again->head, 2);
  // Keys live with their records.
  EXPECT_EQ(again->dedup.Find(77, clock_.WallMillis()), 2);
  EXPECT_EQ(Append(again, "3"), 3);
  EXPECT_THAT(Offsets(*Read(again, 0)), ElementsAre(1, 2, 3));
}

TEST_F(RoomTableTest, AMemoryRoomBeginsAnewWithAnotherEpoch) {
  const RoomPtr room = Create("r", v1::DURABILITY_MEMORY);
  Append(room, "1");
  const std::string epoch = room->epoch;
  Restart();
  const RoomPtr again = Ready("r");
  EXPECT_NE(again->epoch, epoch);
  EXPECT_EQ(again->head, 0);
}

TEST_F(RoomTableTest, ADeletedRoomIsGoneAndItsSuccessorAnother) {
  const RoomPtr room = Create("r");
  Append(room, "1", 77);
  const std::string epoch = room->epoch;
  const Outcome late = BeginAppend(room, "2");
  table_->Delete(room, [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  EXPECT_EQ(table_->Find("r"), nullptr);
  executor_.Run();
  EXPECT_EQ(*late, -1);
  absl::Status waited;
  table_->WhenReady(room, [&](const absl::Status& status) { waited = status; });
  EXPECT_TRUE(absl::IsNotFound(waited));
  const RoomPtr next = Create("r");
  EXPECT_NE(next->epoch, epoch);
  EXPECT_EQ(next->head, 0);
  EXPECT_EQ(next->dedup.Find(77, clock_.WallMillis()), std::nullopt);
  Restart();
  EXPECT_EQ(Ready("r")->epoch, next->epoch);
}

TEST_F(RoomTableTest, ARoomThatTheLogDoesNotDeleteIsThereAgain) {
  Append(Create("r"), "1");
  Restart(0, /*queue_bytes=*/4'000);
  const RoomPtr room = Ready("r");
  const std::string epoch = room->epoch;
  const Outcome full = BeginAppend(room, std::string(3'500, 'x'));
  executor_.RunOne();  // It waits in the log, which has no place beside it.
  absl::Status deleted;
  table_->Delete(room, [&](const absl::Status& status) { deleted = status; });
  executor_.Run();
  EXPECT_EQ(CodeOf(deleted), ErrorCode::kUnavailable) << deleted;
  ASSERT_NE(table_->Find("r"), nullptr);
  EXPECT_EQ(Ready("r")->epoch, epoch);
  const auto page = Read(Ready("r"), 0);
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(page->records, testing::SizeIs(2));
  // Another attempt succeeds.
  table_->Delete(Ready("r"), [&](const absl::Status& status) { deleted = status; });
  executor_.Run();
  EXPECT_TRUE(deleted.ok()) << deleted;
  Restart();
  EXPECT_EQ(table_->Find("r"), nullptr);
}

TEST_F(RoomTableTest, ANewRoomHasNothingOfALogThatWasLeft) {
  const RoomPtr room = Create("r");
  Append(room, "1");
  log_->Erase("room/r", [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  executor_.Run();
  Restart();
  ASSERT_EQ(table_->Find("r"), nullptr);
  EXPECT_EQ(Records("room:r").size(), 1u);
  const RoomPtr next = Create("r");
  EXPECT_NE(next->epoch, room->epoch);
  EXPECT_EQ(next->head, 0);
  EXPECT_EQ(Append(next, "2"), 1);
}

TEST_F(RoomTableTest, TimesDoNotGoBackWhenTheClockDoes) {
  const RoomPtr room = Create("r");
  Append(room, "1", 77);
  const int64_t time = clock_.WallMillis();
  clock_.JumpWallMillis(-3'600'000);
  Append(room, "2", 78);
  clock_.AdvanceMillis(1'000);
  // Across a restart too.
  Restart();
  const RoomPtr again = Ready("r");
  EXPECT_EQ(again->time_ms, time);
  EXPECT_EQ(again->dedup.Find(78, again->time_ms), 2);
  Append(again, "3");
  for (const eventlog::Record& record : Records("room:r")) {
    v1::StoredEvent event;
    ASSERT_TRUE(event.ParseFromString(record.data));
    EXPECT_EQ(record.time_ms, time);
    EXPECT_EQ(event.time_ms(), time);
  }
  clock_.JumpWallMillis(3'600'000);
  Append(again, "4");
  EXPECT_EQ(Records("room:r").back().time_ms, time + 1'000);
}

TEST_F(RoomTableTest, KnowsTheKeysOfTheNewest200000MessagesAfterARestart) {
  const RoomPtr room = Create("r");
  for (uint64_t key = 1; key <= 200'001; ++key) BeginAppend(room, "1", key);
  executor_.Run();
  ASSERT_EQ(room->head, 200'001);
  Restart();
  const RoomPtr again = Ready("r");
  const int64_t now = clock_.WallMillis();
  EXPECT_EQ(again->dedup.Find(1, now), std::nullopt);
  EXPECT_EQ(again->dedup.Find(2, now), 2);
  EXPECT_EQ(again->dedup.Find(200'001, now), 200'001);
}

TEST_F(RoomTableTest, KnowsWhenAnOldRoomWasLastUsed) {
  const RoomPtr room = Create("r");
  clock_.AdvanceMillis(7'200'000);
  Append(room, "1");
  const int64_t time = clock_.WallMillis();
  clock_.AdvanceMillis(3'600'000);  // Far beyond the keys' window.
  Restart();
  EXPECT_EQ(Ready("r")->last_used_ms, time);
  EXPECT_EQ(Ready("r")->time_ms, time);
}

TEST_F(RoomTableTest, ALogThatIsFullRefusesAndGoesOn) {
  Create("r");
  Restart(0, /*queue_bytes=*/2'000);
  const RoomPtr room = Ready("r");
  const Outcome fits = BeginAppend(room, "1", 100);
  executor_.RunOne();  // It goes to the log; what comes now is the next batch.
  const Outcome big = BeginAppend(room, std::string(5'000, 'x'), 200);
  const Outcome beside = BeginAppend(room, "2", 300);
  executor_.Run();
  EXPECT_EQ(**fits, 1);
  EXPECT_EQ(**big, -1);
  EXPECT_EQ(**beside, -1);
  EXPECT_EQ(room->dedup.Find(100, clock_.WallMillis()), 1);
  EXPECT_EQ(room->dedup.Find(200, clock_.WallMillis()), std::nullopt);
  EXPECT_EQ(room->dedup.Find(300, clock_.WallMillis()), std::nullopt);
  // Nothing of what was refused is in the way.
  EXPECT_EQ(Append(room, "small"), 2);
  EXPECT_EQ(Records("room:r").size(), 2u);
}

TEST_F(RoomTableTest, ARepeatWaitsForTheFirstOnesCommit) {
  const RoomPtr room = Create("r");
  BeginAppend(room, "1");
  std::optional<int64_t> repeat;
  const auto wait = [&](int64_t offset) {
    table_->WaitForCommit(room, {offset, true}, [&](const absl::StatusOr<Published>& published) {
      ASSERT_TRUE(published.ok());
      EXPECT_TRUE(published->duplicate);
      repeat = published->offset;
    });
  };
  wait(1);
  EXPECT_EQ(repeat, std::nullopt);
  executor_.Run();
  EXPECT_EQ(repeat, 1);
  repeat.reset();
  wait(1);
  EXPECT_EQ(repeat, 1);
  bool refused = false;
  table_->WaitForCommit(room, {2, true}, [&](const auto& published) { refused = !published.ok(); });
  EXPECT_TRUE(refused);
}

TEST_F(RoomTableTest, AppendsThatWaitAreBounded) {
  options_.max_inflight_bytes = 1'000;
  Restart();
  const RoomPtr room = Create("r");
  const Outcome first = BeginAppend(room, std::string(1'100, 'x'));
  EXPECT_EQ(**BeginAppend(room, "2"), -1);
  executor_.Run();
  EXPECT_EQ(**first, 1);
  EXPECT_EQ(table_->inflight_bytes(), 0);
  EXPECT_EQ(Append(room, "2"), 2);
}

TEST_F(RoomTableTest, ReadsPagesFromCacheAndLog) {
  options_.cache_records = 3;
  Restart();
  const RoomPtr room = Create("r");
  for (int i = 1; i <= 10; ++i) Append(room, std::string(100, 'x'));
  for (const int64_t after : {int64_t{2}, int64_t{7}}) {
    const absl::StatusOr<RoomPage> page = Read(room, after, 2);
    ASSERT_TRUE(page.ok());
    EXPECT_THAT(Offsets(*page), ElementsAre(after + 1, after + 2));
    EXPECT_EQ(page->last_looked, after + 2);
    EXPECT_EQ(page->head, 10);
    EXPECT_EQ(page->first_offset, 1);
    EXPECT_EQ(page->epoch, room->epoch);
    // One at least, however large.
    EXPECT_THAT(Offsets(*Read(room, after, 100, 1)), ElementsAre(after + 1));
  }
  EXPECT_THAT(Offsets(*Read(room, 10)), IsEmpty());
  EXPECT_EQ(Read(room, 10)->last_looked, 10);
  EXPECT_EQ(Read(room, 50)->last_looked, 50);
}

TEST_F(RoomTableTest, TrimsByCountAndTellsWhatIsLeft) {
  v1::Room definition;
  definition.set_room_id("r");
  definition.mutable_retention()->set_max_count(5);
  table_->Create(definition, [](const absl::StatusOr<RoomPtr>&) {});
  executor_.Run();
  const RoomPtr room = table_->Find("r");
  for (int i = 1; i <= 20; ++i) Append(room, "x");
  table_->Tick();
  executor_.Run();
  EXPECT_EQ(room->first, 16);
  const absl::StatusOr<RoomPage> page = Read(room, 0);
  EXPECT_EQ(page->first_offset, 16);
  EXPECT_EQ(page->last_looked, 20);
  EXPECT_THAT(Offsets(*page), ElementsAre(16, 17, 18, 19, 20));
}

TEST_F(RoomTableTest, TrimsByAgeWhenItIsDue) {
  const RoomPtr room = CreateKeptFor(60);
  Append(room, "old");
  clock_.AdvanceMillis(50'000);
  Append(room, "new");
  clock_.AdvanceMillis(11'000);
  for (int i = 0; i < 2; ++i) {
    table_->Tick();
    executor_.Run();
  }
  EXPECT_EQ(room->first, 2);
}

TEST_F(RoomTableTest, TrimsAllThatIsTooOldThoughEachStepIsBounded) {
  const RoomPtr room = CreateKeptFor(60);
  for (int i = 0; i < 5'000; ++i) BeginAppend(room, "old");
  executor_.Run();
  clock_.AdvanceMillis(61'000);
  table_->Tick();
  executor_.Run();
  EXPECT_EQ(room->first, 5'001);
}

TEST_F(RoomTableTest, CachesAreBoundedOverAllRooms) {
  options_.total_cache_bytes = 10'000;
  Restart();
  const RoomPtr cold = Create("cold");
  const RoomPtr warm = Create("warm");
  for (int i = 0; i < 6; ++i) Append(cold, std::string(1'000, 'x'));
  for (int i = 0; i < 6; ++i) Append(warm, std::string(1'000, 'x'));
  table_->Tick();
  EXPECT_TRUE(cold->cache.empty());
  executor_.Run();
  EXPECT_THAT(Offsets(*Read(cold, 4)), ElementsAre(5, 6));
}

TEST_F(RoomTableTest, PatternsSayWhichRoomsAFirstJoinMakes) {
  options_.patterns = {{"lobby_*", {}, true}, {"*", {}, false}};
  Restart();
  ASSERT_NE(table_->PatternFor("lobby_1"), nullptr);
  const v1::Room room = table_->DefinitionFrom(*table_->PatternFor("lobby_1"), "lobby_1");
  EXPECT_EQ(room.durability(), v1::DURABILITY_MEMORY);
  EXPECT_TRUE(room.ephemeral());
  EXPECT_EQ(room.room_id(), "lobby_1");
  EXPECT_EQ(table_->PatternFor("other")->glob, "*");
}

}  // namespace
}  // namespace covet::rooms
