#include "edge/role/thread_dispatcher.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "edge/role/testing/fake_edge_thread.h"
#include "edge/role/testing/fake_link.h"

namespace covet::edge {
namespace {

class ThreadDispatcherTest : public testing::Test {
 protected:
  ThreadDispatcherTest() {
    dispatcher_.Add(&first_, &first_rooms_);
    dispatcher_.Add(&second_, &second_rooms_);
  }

  static std::shared_ptr<LinkBatch> BatchOf(LinkItem item) {
    auto batch = std::make_shared<LinkBatch>();
    batch->items.push_back(std::move(item));
    return batch;
  }
  static LinkItem ReplyFor(uint32_t thread) {
    ReplyItem reply;
    reply.thread = thread;
    return reply;
  }

  FakeLink link_;
  FakeEdgeThread first_{0};
  FakeEdgeThread second_{1};
  ThreadRooms first_rooms_{0, link_.clock, link_.client};
  ThreadRooms second_rooms_{1, link_.clock, link_.client};
  ThreadDispatcher dispatcher_;
};

TEST_F(ThreadDispatcherTest, EventsGoToEveryThreadByOnePostEach) {
  auto batch = BatchOf(ReplyFor(0));
  batch->items.push_back(ClosedItem{.room_id = "r", .reason = "deleted"});
  batch->items.push_back(ReplyFor(0));
  dispatcher_.Dispatch(batch);
  EXPECT_EQ(first_.posted.size(), 1u);
  EXPECT_EQ(second_.posted.size(), 1u);
  first_.posted[0]();
}

TEST_F(ThreadDispatcherTest, RepliesGoToWhoAsked) {
  dispatcher_.Dispatch(BatchOf(ReplyFor(1)));
  EXPECT_EQ(first_.posted.size(), 0u);
  EXPECT_EQ(second_.posted.size(), 1u);
  dispatcher_.Dispatch(BatchOf(ReplyFor(kNoThread)));
  EXPECT_EQ(first_.posted.size() + second_.posted.size(), 1u);
}

TEST_F(ThreadDispatcherTest, ABatchLivesUntilTheLastThreadHasSeenIt) {
  auto batch = BatchOf(ClosedItem{.room_id = "r", .reason = "deleted"});
  const std::weak_ptr<LinkBatch> watch = batch;
  dispatcher_.Dispatch(std::move(batch));
  first_.posted.clear();
  EXPECT_FALSE(watch.expired());
  second_.posted.clear();
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace covet::edge
