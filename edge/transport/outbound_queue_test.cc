#include "edge/transport/outbound_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace covet::edge {
namespace {

constexpr QueueLimits kLimits = {.max_bytes = 1000, .high_water_bytes = 400};

// A frame whose text is `name` and dots up to `size` bytes on the wire.
FramePtr NamedFrame(std::string name, size_t size, bool splice = true) {
  name.resize(size - (size < 128 ? 2 : 4), '.');
  return Frame::Text(name, splice ? 0 : Frame::kNoSplice);
}

Outbound Event(std::string name, Priority priority = Priority::kNormal, StreamTag tag = 1,
               size_t size = 100) {
  return {.frame = NamedFrame(std::move(name), size),
          .priority = priority,
          .droppable = true,
          .tag = tag};
}

Outbound Control(std::string name, size_t size = 100) {
  return {.frame = NamedFrame(std::move(name), size)};
}

Outbound Reply(std::string name, Priority priority) {
  return {.frame = NamedFrame(std::move(name), 20), .lane = Lane::kReply, .priority = priority};
}

std::string NameOf(const Departure& departure) {
  const std::string_view text = departure.frame->text();
  std::string insert;
  departure.AppendInsert(&insert);
  return insert + std::string(text.substr(0, text.find('.')));
}

// Pops all; each as `insert` and name.
std::vector<std::string> PopAll(OutboundQueue& queue, int64_t now_ms = 0) {
  std::vector<std::string> names;
  Departure departure;
  while (queue.Pop(now_ms, &departure)) {
    names.push_back(NameOf(departure));
    queue.Release(departure.cost);
  }
  return names;
}

using Names = std::vector<std::string>;

class OutboundQueueTest : public testing::Test {
 protected:
  OutboundQueue queue_{&kLimits};
};

TEST_F(OutboundQueueTest, OrderedLaneIsFifoWhateverThePriority) {
  queue_.Push(Event("a", Priority::kLow), 0);
  queue_.Push(Event("b", Priority::kHigh), 0);
  queue_.Push(Control("c"), 0);
  EXPECT_FALSE(queue_.empty());
  EXPECT_EQ(queue_.bytes(), 300u);
  EXPECT_EQ(PopAll(queue_), (Names{"a", "b", "c"}));
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(OutboundQueueTest, RepliesLeaveFirstByPriorityThenAge) {
  queue_.Push(Control("event"), 0);
  queue_.Push(Reply("low", Priority::kLow), 0);
  queue_.Push(Reply("normal1", Priority::kNormal), 0);
  queue_.Push(Reply("high", Priority::kHigh), 0);
  queue_.Push(Reply("normal2", Priority::kNormal), 0);
  EXPECT_EQ(PopAll(queue_), (Names{"high", "normal1", "normal2", "low", "event"}));
}

TEST_F(OutboundQueueTest, BytesInFlightCountUntilReleased) {
  queue_.Push(Control("a"), 0);
  Departure departure;
  ASSERT_TRUE(queue_.Pop(0, &departure));
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.bytes(), 100u);
  queue_.Release(departure.cost);
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(OutboundQueueTest, TellsBackpressureAboveTheMarkAndDrainedOnceAtItsHalf) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(queue_.Push(Control("a"), 0), SendResult::kQueued);
  EXPECT_FALSE(queue_.TakeDrained());
  EXPECT_EQ(queue_.Push(Control("b"), 0), SendResult::kBackpressure);
  Departure departure;
  for (size_t left : {400u, 300u}) {
    ASSERT_TRUE(queue_.Pop(0, &departure));
    queue_.Release(departure.cost);
    EXPECT_EQ(queue_.bytes(), left);
    EXPECT_FALSE(queue_.TakeDrained());
  }
  ASSERT_TRUE(queue_.Pop(0, &departure));
  queue_.Release(departure.cost);
  EXPECT_TRUE(queue_.TakeDrained());
  EXPECT_FALSE(queue_.TakeDrained());
}

TEST_F(OutboundQueueTest, FullQueueDropsTheOldestOfTheLowestPriority) {
  queue_.Push(Event("high", Priority::kHigh), 0);
  queue_.Push(Event("normal1"), 0);
  queue_.Push(Event("low1", Priority::kLow), 0);
  queue_.Push(Event("normal2"), 0);
  queue_.Push(Event("low2", Priority::kLow), 0);
  for (int i = 0; i < 5; ++i) queue_.Push(Control("control"), 0);
  // Full: 1000 bytes.
  EXPECT_EQ(queue_.Push(Event("new1"), 0), SendResult::kBackpressure);
  EXPECT_EQ(queue_.Push(Event("new2"), 0), SendResult::kBackpressure);
  EXPECT_EQ(queue_.Push(Event("new3"), 0), SendResult::kBackpressure);
  EXPECT_EQ(queue_.bytes(), 1000u);
  EXPECT_EQ(queue_.TakeDropped(), 3u);
  EXPECT_EQ(queue_.TakeDropped(), 0u);
  EXPECT_EQ(PopAll(queue_), (Names{"high", "\"dropped\":2,normal2", "control", "control", "control",
                                   "control", "control", "\"dropped\":1,new1", "new2", "new3"}));
}

TEST_F(OutboundQueueTest, ANewcomerNeverDrivesOutAHigherPriority) {
  for (int i = 0; i < 10; ++i) queue_.Push(Event("high" + std::to_string(i), Priority::kHigh), 0);
  EXPECT_EQ(queue_.Push(Event("late", Priority::kNormal), 0), SendResult::kDropped);
  EXPECT_EQ(queue_.Push(Event("later", Priority::kLow), 0), SendResult::kDropped);
  EXPECT_EQ(queue_.TakeDropped(), 2u);
  EXPECT_EQ(PopAll(queue_).size(), 10u);
  // The refused are told by the tag's next message.
  queue_.Push(Event("next"), 0);
  EXPECT_EQ(PopAll(queue_), (Names{"\"dropped\":2,next"}));
}

TEST_F(OutboundQueueTest, DropsAreToldPerTagAndOnlyOnce) {
  for (int i = 0; i < 5; ++i) {
    queue_.Push(Event("a" + std::to_string(i), Priority::kNormal, 1), 0);
    queue_.Push(Event("b" + std::to_string(i), Priority::kNormal, 2), 0);
  }
  queue_.Push(Event("c", Priority::kNormal, 3, 300), 0);
  EXPECT_EQ(PopAll(queue_),
            (Names{"\"dropped\":1,b1", "\"dropped\":2,a2", "b2", "a3", "b3", "a4", "b4", "c"}));
}

TEST_F(OutboundQueueTest, UntoldDropsWaitForTheTagsNextMessage) {
  queue_.Push(Event("a", Priority::kLow, 7, 400), 0);
  queue_.Push(Event("b", Priority::kNormal, 8, 700), 0);
  EXPECT_EQ(PopAll(queue_), (Names{"b"}));
  queue_.ReleaseIdle();
  queue_.Push(Event("c", Priority::kNormal, 8), 0);
  queue_.Push(Event("d", Priority::kNormal, 7), 0);
  EXPECT_EQ(PopAll(queue_), (Names{"c", "\"dropped\":1,d"}));
}

TEST_F(OutboundQueueTest, ADropStandsBeforeTheMessageThatFollowedIt) {
  queue_.Push(Event("first", Priority::kHigh, 1), 0);
  queue_.Push(Event("lost", Priority::kLow, 1), 0);
  queue_.Push(Event("second", Priority::kHigh, 1), 0);
  queue_.Push(Control("big", 750), 0);
  EXPECT_EQ(PopAll(queue_), (Names{"first", "\"dropped\":1,second", "big"}));
}

TEST_F(OutboundQueueTest, DroppedStandsBeforeTheMessagesOwnHead) {
  queue_.Push(Event("lost", Priority::kLow, 4, 950), 0);
  Outbound message = Event("kept", Priority::kNormal, 4);
  message.head = std::make_shared<const std::string>("\"replayed\":true,");
  queue_.Push(std::move(message), 0);
  EXPECT_EQ(PopAll(queue_), (Names{"\"dropped\":1,\"replayed\":true,kept"}));
}

TEST_F(OutboundQueueTest, AMessageThatCannotBeSplicedLeavesTheCountToTheNext) {
  queue_.Push(Event("lost", Priority::kLow, 4, 950), 0);
  Outbound bare = Event("", Priority::kNormal, 4);
  bare.frame = NamedFrame("bare", 100, /*splice=*/false);
  queue_.Push(std::move(bare), 0);
  queue_.Push(Event("next", Priority::kNormal, 4), 0);
  EXPECT_EQ(PopAll(queue_), (Names{"bare", "\"dropped\":1,next"}));
}

TEST_F(OutboundQueueTest, ExpiredMessagesAreSkippedAndNotCounted) {
  Outbound message = Event("old", Priority::kNormal, 1);
  message.expires_at_ms = 50;
  queue_.Push(std::move(message), 0);
  message = Event("edge", Priority::kNormal, 1);
  message.expires_at_ms = 60;
  queue_.Push(std::move(message), 0);
  queue_.Push(Event("kept", Priority::kNormal, 1), 0);
  EXPECT_EQ(PopAll(queue_, 60), (Names{"edge", "kept"}));
  EXPECT_EQ(queue_.TakeDropped(), 0u);
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(OutboundQueueTest, ControlMessagesGoBeyondTheBoundAndOverflowAtTwice) {
  for (int i = 0; i < 20; ++i) EXPECT_NE(queue_.Push(Control("c"), 0), SendResult::kDropped) << i;
  EXPECT_EQ(queue_.bytes(), 2000u);
  EXPECT_FALSE(queue_.overflowed());
  EXPECT_EQ(queue_.Push(Control("c"), 0), SendResult::kDropped);
  EXPECT_TRUE(queue_.overflowed());
}

TEST_F(OutboundQueueTest, AnEmptyQueueTakesAnyOneMessage) {
  EXPECT_EQ(queue_.Push(Event("big", Priority::kLow, 1, 5000), 0), SendResult::kBackpressure);
  EXPECT_EQ(queue_.Push(Event("next", Priority::kLow, 1), 0), SendResult::kQueued);
  EXPECT_EQ(PopAll(queue_), (Names{"\"dropped\":1,next"}));
}

TEST_F(OutboundQueueTest, InFlightMessagesAreNotDropped) {
  queue_.Push(Event("flying", Priority::kLow, 1, 900), 0);
  Departure departure;
  ASSERT_TRUE(queue_.Pop(0, &departure));
  EXPECT_EQ(queue_.Push(Event("a", Priority::kHigh, 1, 200), 0), SendResult::kDropped);
  queue_.Release(departure.cost);
  EXPECT_EQ(queue_.Push(Event("b", Priority::kHigh, 1, 200), 0), SendResult::kQueued);
  EXPECT_EQ(PopAll(queue_), (Names{"\"dropped\":1,b"}));
}

TEST_F(OutboundQueueTest, KnowsItsOldestMessage) {
  EXPECT_EQ(queue_.OldestQueuedAt(99), 99);
  queue_.Push(Event("gone", Priority::kLow, 1, 500), 5);
  queue_.Push(Event("a", Priority::kNormal, 1, 400), 10);
  queue_.Push(Reply("r", Priority::kLow), 20);
  EXPECT_EQ(queue_.OldestQueuedAt(99), 5);
  queue_.Push(Event("b", Priority::kNormal, 1, 400), 30);  // Drops `gone`.
  EXPECT_EQ(queue_.OldestQueuedAt(99), 10);
  PopAll(queue_);
  EXPECT_EQ(queue_.OldestQueuedAt(99), 99);
}

TEST_F(OutboundQueueTest, ClearDropsAllUncounted) {
  queue_.Push(Control("flying"), 0);
  Departure departure;
  ASSERT_TRUE(queue_.Pop(0, &departure));
  for (int i = 0; i < 30; ++i) queue_.Push(Event("e"), 0);
  queue_.TakeDropped();
  queue_.Clear();
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.TakeDropped(), 0u);
  EXPECT_EQ(queue_.bytes(), 100u);
  EXPECT_FALSE(queue_.Pop(0, &departure));
}

// A reader that stands still under load: every drop is told, at its place, whatever was merged
// meanwhile.
TEST(OutboundQueueModelTest, AgreesWithAPlainModelUnderLoad) {
  struct Message {
    int number;
    StreamTag tag;
    Priority priority;
    bool droppable;
  };
  uint64_t state = 88172645463325252;
  const auto random = [&](uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  };
  const QueueLimits limits = {.max_bytes = 3000, .high_water_bytes = 1500};
  OutboundQueue queue(&limits);
  std::deque<Message> model;
  std::map<StreamTag, std::vector<int>> sent;  // By tag: the numbers accepted or refused, in order.
  std::map<StreamTag, size_t> told;            // By tag: messages seen or told as dropped.
  uint64_t total_dropped = 0;
  const auto pop = [&] {
    Departure departure;
    if (!queue.Pop(0, &departure)) {
      EXPECT_TRUE(model.empty());
      return;
    }
    ASSERT_FALSE(model.empty());
    const Message expected = model.front();
    model.pop_front();
    const std::string_view text = departure.frame->text();
    ASSERT_EQ(text.substr(0, text.find('.')), std::to_string(expected.number));
    // Numbers of the tag between the last one told and this one are exactly the drops.
    size_t& seen = told[expected.tag];
    const std::vector<int>& all = sent[expected.tag];
    ASSERT_LT(seen + departure.dropped, all.size());
    EXPECT_EQ(all[seen + departure.dropped], expected.number);
    seen += departure.dropped + 1;
    queue.Release(departure.cost);
  };
  for (int number = 0; number < 20000; ++number) {
    const Message message = {number, static_cast<StreamTag>(1 + random(5)),
                             static_cast<Priority>(1 + random(3)), random(40) != 0};
    sent[message.tag].push_back(number);
    Outbound outbound = Event(std::to_string(number), message.priority, message.tag, 100);
    outbound.droppable = message.droppable;
    const auto drop_from_model = [&] {
      for (Priority priority : {Priority::kLow, Priority::kNormal, Priority::kHigh}) {
        if (message.droppable && priority > message.priority) return false;
        for (auto it = model.begin(); it != model.end(); ++it) {
          if (!it->droppable || it->priority != priority) continue;
          model.erase(it);
          ++total_dropped;
          return true;
        }
      }
      return false;
    };
    const SendResult result = queue.Push(std::move(outbound), 0);
    bool taken = true;
    if (model.size() >= 30) {
      taken = drop_from_model() || !message.droppable;
      if (!taken) ++total_dropped;
    }
    EXPECT_EQ(result != SendResult::kDropped, taken);
    if (taken) model.push_back(message);
    // Phases of standing still, of slow and of quick reading.
    const uint64_t phase = number / 1000 % 3;
    if (phase == 1 && random(2) == 0) pop();
    if (phase == 2) {
      pop();
      pop();
    }
  }
  EXPECT_GT(total_dropped, 1000u);
  EXPECT_EQ(queue.TakeDropped(), total_dropped);
}

}  // namespace
}  // namespace covet::edge
