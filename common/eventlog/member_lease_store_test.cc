#include "common/eventlog/member_lease_store.h"

#include <signal.h>

#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/eventlog/memory_member_lease_store.h"
#include "common/eventlog/sqlite_member_lease_store.h"
#include "common/eventlog/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace covet::eventlog {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<MemberLease> Load(MemberLeaseStore& store) {
  std::promise<absl::StatusOr<std::vector<MemberLease>>> promise;
  store.LoadAll([&](auto leases) { promise.set_value(std::move(leases)); });
  auto leases = promise.get_future().get();
  EXPECT_TRUE(leases.ok()) << leases.status();
  return leases.ok() ? *std::move(leases) : std::vector<MemberLease>{};
}

std::unique_ptr<MemberLeaseStore> OpenSqlite(const std::string& directory,
                                             int64_t queue_bytes = 1 << 20) {
  auto store = OpenSqliteMemberLeaseStore({.directory = directory, .queue_bytes = queue_bytes});
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

const MemberLease kAnnaInX{"edge1", "s1", "anna", "x"};
const MemberLease kAnnaInY{"edge1", "s1", "anna", "y"};
const MemberLease kBertInX{"edge1", "s2", "bert", "x"};
const MemberLease kCaraInX{"edge2", "s3", "cara", "x"};

class MemberLeaseStoreTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      store_ = OpenSqlite(directory_.path());
    } else {
      store_ = std::make_unique<MemoryMemberLeaseStore>();
    }
    ASSERT_NE(store_, nullptr);
    for (const auto& lease : {kAnnaInX, kAnnaInY, kBertInX, kCaraInX}) store_->Upsert(lease);
  }

  TempDirectory directory_;
  std::unique_ptr<MemberLeaseStore> store_;
};

TEST_P(MemberLeaseStoreTest, GivesBackWhatItWasTold) {
  EXPECT_THAT(Load(*store_), UnorderedElementsAre(kAnnaInX, kAnnaInY, kBertInX, kCaraInX));
  EXPECT_EQ(store_->lost(), 0);
}

TEST_P(MemberLeaseStoreTest, UpsertReplaces) {
  MemberLease moved = kAnnaInX;
  moved.incarnation = "edge2";
  store_->Upsert(moved);
  EXPECT_THAT(Load(*store_), UnorderedElementsAre(moved, kAnnaInY, kBertInX, kCaraInX));
  store_->RemoveIncarnation("edge1");
  EXPECT_THAT(Load(*store_), UnorderedElementsAre(moved, kCaraInX));
}

TEST_P(MemberLeaseStoreTest, RemovesOne) {
  store_->Remove("s1", "x");
  store_->Remove("s1", "unknown");
  EXPECT_THAT(Load(*store_), UnorderedElementsAre(kAnnaInY, kBertInX, kCaraInX));
}

TEST_P(MemberLeaseStoreTest, RemovesASession) {
  store_->RemoveSession("s1");
  EXPECT_THAT(Load(*store_), UnorderedElementsAre(kBertInX, kCaraInX));
}

TEST_P(MemberLeaseStoreTest, RemovesAnIncarnation) {
  store_->RemoveIncarnation("edge1");
  EXPECT_THAT(Load(*store_), UnorderedElementsAre(kCaraInX));
}

TEST_P(MemberLeaseStoreTest, KeepsTheOrderOfCalls) {
  store_->RemoveSession("s1");
  store_->Upsert(kAnnaInY);
  store_->RemoveIncarnation("edge2");
  store_->Upsert(kCaraInX);
  store_->Remove("s3", "x");
  EXPECT_THAT(Load(*store_), UnorderedElementsAre(kAnnaInY, kBertInX));
}

INSTANTIATE_TEST_SUITE_P(Stores, MemberLeaseStoreTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Sqlite" : "Memory"; });

TEST(SqliteMemberLeaseStoreTest, AReopenedStoreHoldsWhatWasAccepted) {
  const TempDirectory directory;
  OpenSqlite(directory.path())->Upsert(kAnnaInX);
  EXPECT_THAT(Load(*OpenSqlite(directory.path())), UnorderedElementsAre(kAnnaInX));
}

TEST(SqliteMemberLeaseStoreTest, SurvivesAKilledProcess) {
  // The child must use this directory, so it forks instead of starting anew.
  testing::FLAGS_gtest_death_test_style = "fast";
  const TempDirectory directory;
  EXPECT_EXIT(
      {
        const auto store = OpenSqlite(directory.path());
        store->Upsert(kAnnaInX);
        Load(*store);
        // The second answer comes from the commit after the one that the lease is in.
        Load(*store);
        ::raise(SIGKILL);
      },
      testing::KilledBySignal(SIGKILL), "");
  EXPECT_THAT(Load(*OpenSqlite(directory.path())), UnorderedElementsAre(kAnnaInX));
}

TEST(SqliteMemberLeaseStoreTest, ADamagedFileBeginsEmpty) {
  const TempDirectory directory;
  OpenSqlite(directory.path())->Upsert(kAnnaInX);
  std::ofstream(directory.File("members.db")) << std::string(8192, '?');
  const auto store = OpenSqlite(directory.path());
  EXPECT_THAT(Load(*store), IsEmpty());
  store->Upsert(kBertInX);
  EXPECT_THAT(Load(*store), UnorderedElementsAre(kBertInX));
}

TEST(SqliteMemberLeaseStoreTest, ASecondOpenerIsTurnedAway) {
  const TempDirectory directory;
  const auto store = OpenSqlite(directory.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      OpenSqliteMemberLeaseStore({.directory = directory.path()}).status()));
}

TEST(SqliteMemberLeaseStoreTest, AFullQueueDropsTheNewestAndCounts) {
  const TempDirectory directory;
  const auto store = OpenSqlite(directory.path(), /*queue_bytes=*/1000);
  std::promise<void> held;
  std::promise<void> let_go;
  store->LoadAll([&](const auto&) {
    held.set_value();
    let_go.get_future().wait();
  });
  held.get_future().wait();
  for (int i = 0; i < 100; ++i) store->Upsert({"e", "s" + std::to_string(i), "u", "r"});
  const int64_t lost = store->lost();
  EXPECT_GT(lost, 90);
  let_go.set_value();
  // Room for the question comes with the end of the answer before it.
  std::vector<MemberLease> left;
  for (bool answered = false; !answered;) {
    std::promise<bool> ok;
    store->LoadAll([&](auto leases) {
      if (leases.ok()) left = std::move(*leases);
      ok.set_value(leases.ok());
    });
    answered = ok.get_future().get();
  }
  EXPECT_EQ(static_cast<int64_t>(left.size()), 100 - lost);
  EXPECT_THAT(left, testing::Contains(MemberLease{"e", "s0", "u", "r"}));
}

}  // namespace
}  // namespace covet::eventlog
