#include "edge/transport/edge_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace covet::edge {
namespace {

using testing::ElementsAre;

class EdgeLoopTest : public testing::Test {
 protected:
  EdgeLoopTest() {
    shared_.clock = &SystemClock();
    shared_.ids = &SystemIds();
    loop_ = std::make_unique<EdgeLoop>(0, &shared_);
  }

  void Post(const std::string& name) {
    loop_->Post([this, name] { ran_.push_back(name); });
  }

  EdgeLoop::Shared shared_;
  std::unique_ptr<EdgeLoop> loop_;
  std::vector<std::string> ran_;
};

TEST_F(EdgeLoopTest, RunsWhatIsPostedInOrderWhoeverPosts) {
  loop_->Post([this] {
    Post("its own");
    std::thread([this] { Post("another thread's"); }).join();
    Post("its own again");
  });
  loop_->Poll();
  EXPECT_THAT(ran_, ElementsAre("its own", "another thread's", "its own again"));
}

TEST_F(EdgeLoopTest, LetsGoOfWhatHasRunBeforeTheNextRuns) {
  auto held = std::make_shared<int>();
  const std::weak_ptr<int> seen = held;
  loop_->Post([held = std::move(held)] {});
  loop_->Post([this, seen] { ran_.emplace_back(seen.expired() ? "let go" : "held"); });
  loop_->Poll();
  EXPECT_THAT(ran_, ElementsAre("let go"));
}

TEST_F(EdgeLoopTest, DestroysUnrunWhatIsPostedBehindAStop) {
  loop_->Stop();
  loop_->Poll();
  auto held = std::make_shared<int>();
  const std::weak_ptr<int> seen = held;
  loop_->Post([this, held = std::move(held)] { ran_.emplace_back("ran"); });
  loop_->Poll();
  EXPECT_FALSE(seen.expired());
  loop_.reset();
  EXPECT_TRUE(seen.expired());
  EXPECT_THAT(ran_, ElementsAre());
}

}  // namespace
}  // namespace covet::edge
