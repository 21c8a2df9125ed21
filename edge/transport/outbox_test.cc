#include "edge/transport/outbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace covet::edge {
namespace {

constexpr QueueLimits kLimits = {.max_bytes = 10'000, .high_water_bytes = 5'000};
constexpr size_t kBatchBytes = 4'000;

std::string Joined(const WriteBatch& batch) {
  std::string bytes;
  for (int i = 0; i < batch.iov_count(); ++i) {
    bytes.append(static_cast<const char*>(batch.iov()[i].iov_base), batch.iov()[i].iov_len);
  }
  EXPECT_EQ(bytes.size(), batch.bytes());
  return bytes;
}

std::string Wire(const std::string& text) { return std::string(Frame::Text(text)->wire()); }

class OutboxTest : public testing::Test {
 protected:
  void Send(const std::string& text, int64_t now_ms = 0) {
    outbox_.Send({.frame = Frame::Text(text)}, now_ms);
  }

  // One write of which the socket takes `take` bytes; returns those.
  std::string Write(size_t take = static_cast<size_t>(-1)) {
    outbox_.Gather(0, kBatchBytes, &batch_);
    std::string bytes = Joined(batch_);
    bytes.resize(std::min(take, bytes.size()));
    messages_ += outbox_.Written(&batch_, bytes.size());
    EXPECT_EQ(batch_.iov_count(), 0);
    return bytes;
  }

  Outbox outbox_{&kLimits};
  WriteBatch batch_;
  size_t messages_ = 0;
};

TEST_F(OutboxTest, FramesOfOneTurnLeaveTogether) {
  EXPECT_TRUE(outbox_.empty());
  Send("a");
  Send("bb");
  EXPECT_FALSE(outbox_.empty());
  EXPECT_EQ(Write(), Wire("a") + Wire("bb"));
  EXPECT_EQ(messages_, 2u);
  EXPECT_TRUE(outbox_.empty());
  EXPECT_EQ(outbox_.queued_bytes(), 0u);
  EXPECT_EQ(Write(), "");
}

TEST_F(OutboxTest, AFramesBytesAreNotCopied) {
  const FramePtr frame = Frame::Text("shared");
  outbox_.Send({.frame = frame}, 0);
  outbox_.Gather(0, kBatchBytes, &batch_);
  ASSERT_EQ(batch_.iov_count(), 1);
  EXPECT_EQ(batch_.iov()[0].iov_base, frame->wire().data());
  outbox_.Written(&batch_, batch_.bytes());
  EXPECT_EQ(frame.use_count(), 1);
}

TEST_F(OutboxTest, GoesOnWhereTheSocketStoppedAtEveryByte) {
  const auto head = std::make_shared<const std::string>("\"replayed\":true,");
  std::string expected;
  for (size_t step = 1; step < 40; ++step) {
    Outbox outbox(&kLimits);
    outbox.AddControl("\x8a\x01p", 0);
    outbox.Send({.frame = Frame::Text("first")}, 0);
    outbox.Send({.frame = Frame::Text("{\"data\":1}", 1), .head = head}, 0);
    outbox.Send({.frame = Frame::Text("last")}, 0);
    std::string all;
    while (!outbox.empty()) {
      outbox.Gather(0, kBatchBytes, &batch_);
      const std::string bytes = Joined(batch_).substr(0, step);
      outbox.Written(&batch_, bytes.size());
      all += bytes;
    }
    EXPECT_EQ(all,
              "\x8a\x01p" + Wire("first") + Wire("{\"replayed\":true,\"data\":1}") + Wire("last"))
        << step;
    EXPECT_EQ(outbox.queued_bytes(), 0u);
  }
}

TEST_F(OutboxTest, ControlFramesGoAheadAtAFrameBoundary) {
  Send("first");
  Send("second");
  EXPECT_EQ(Write(3), Wire("first").substr(0, 3));
  outbox_.AddControl("\x8a\x01p", 0);
  Send("third");
  EXPECT_EQ(Write(), Wire("first").substr(3) + Wire("second") + "\x8a\x01p" + Wire("third"));
  outbox_.AddControl("\x89\x01q", 0);
  Send("fourth");
  outbox_.AddControl("\x89\x01r", 0);
  EXPECT_EQ(outbox_.control_bytes(), 6u);
  EXPECT_EQ(Write(), "\x89\x01q\x89\x01r" + Wire("fourth"));
}

TEST_F(OutboxTest, ARefusedWriteLosesNothing) {
  Send("a");
  EXPECT_EQ(Write(0), "");
  EXPECT_FALSE(outbox_.empty());
  EXPECT_EQ(outbox_.queued_bytes(), Wire("a").size());
  EXPECT_EQ(Write(), Wire("a"));
}

TEST_F(OutboxTest, NothingFollowsTheCloseFrame) {
  Send("a");
  outbox_.Finish("CLOSE", 0);
  EXPECT_TRUE(outbox_.finishing());
  outbox_.AddControl("pong", 0);
  EXPECT_EQ(outbox_.Send({.frame = Frame::Text("late")}, 0), SendResult::kDropped);
  outbox_.Finish("second close", 0);
  EXPECT_EQ(Write(), Wire("a") + "CLOSE");
  EXPECT_TRUE(outbox_.empty());
}

TEST_F(OutboxTest, TheCloseFrameWaitsForAllThatIsQueued) {
  for (int i = 0; i < 9; ++i) Send(std::string(1000, 'a'));
  outbox_.Finish("close", 0);
  std::string all;
  int writes = 0;
  while (!outbox_.empty()) {
    all += Write();
    ++writes;
  }
  EXPECT_GT(writes, 1);
  EXPECT_EQ(all.size(), 9 * 1004 + 5u);
  EXPECT_EQ(all.substr(all.size() - 5), "close");
}

TEST_F(OutboxTest, DropMessagesKeepsTheFrameThatHasBegunAndControlFrames) {
  outbox_.AddControl("\x8a\x01p", 0);
  Send("first");
  Send("second");
  EXPECT_EQ(Write(1), "\x8a");
  Send("third");
  outbox_.DropMessages();
  EXPECT_EQ(outbox_.queued_bytes(), 0u);
  outbox_.Finish("close", 0);
  EXPECT_EQ(Write(),
            "\x01p"
            "close");

  Outbox other(&kLimits);
  other.Send({.frame = Frame::Text("first")}, 0);
  other.Send({.frame = Frame::Text("second")}, 0);
  other.Gather(0, kBatchBytes, &batch_);
  other.Written(&batch_, 4);
  other.DropMessages();
  EXPECT_EQ(other.queued_bytes(), Wire("first").size());
  other.Gather(0, kBatchBytes, &batch_);
  EXPECT_EQ(Joined(batch_), Wire("first").substr(4));
  other.Written(&batch_, batch_.bytes());
  EXPECT_EQ(other.queued_bytes(), 0u);
  EXPECT_TRUE(other.empty());
}

TEST_F(OutboxTest, BatchesAreBoundedInPiecesAndBytes) {
  for (int i = 0; i < 100; ++i) Send("x");
  const std::string first = Write();
  EXPECT_LT(first.size(), 300u);
  EXPECT_GE(first.size(), 90u);
  std::string all = first;
  while (!outbox_.empty()) all += Write();
  EXPECT_EQ(all.size(), 300u);
  for (int i = 0; i < 9; ++i) Send(std::string(1000, 'a'));
  EXPECT_LE(Write().size(), kBatchBytes + 1004);
}

TEST_F(OutboxTest, KnowsTheAgeOfWhatIsInFlight) {
  EXPECT_EQ(outbox_.OldestQueuedAt(99), 99);
  Send("a", 10);
  EXPECT_EQ(outbox_.OldestQueuedAt(99), 10);
  EXPECT_EQ(Write(1).size(), 1u);
  Send("b", 20);
  EXPECT_EQ(outbox_.OldestQueuedAt(99), 10);
  EXPECT_EQ(Write(4).size(), 4u);
  EXPECT_EQ(outbox_.OldestQueuedAt(99), 20);
  Write();
  outbox_.AddControl("ping", 30);
  EXPECT_EQ(outbox_.OldestQueuedAt(99), 30);
}

TEST_F(OutboxTest, DeflatesForReadersWhoNegotiatedIt) {
  const std::string text(4000, 'a');
  outbox_.set_deflate(true);
  Send(text);
  const std::string deflated = Write();
  EXPECT_EQ(deflated, Frame::Text(text)->deflated_wire());
  EXPECT_LT(deflated.size(), 100u);
  outbox_.Send({.frame = Frame::Text(text, 1), .head = std::make_shared<const std::string>("head")},
               0);
  std::string expected;
  Frame::Text(text, 1)->AppendSpliced("head", /*deflate=*/true, &expected);
  EXPECT_EQ(Write(), expected);
}

}  // namespace
}  // namespace covet::edge
