#include "edge/transport/edge_loop.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <string>
#include <utility>

namespace covet::edge {
namespace {

// A sweep goes round the members in this many steps, so that it never holds up a turn for long.
constexpr int64_t kSweepSteps = 4;
constexpr std::chrono::milliseconds kDrainStep{25};

}  // namespace

LoopMember::LoopMember(EdgeLoop* loop) : loop_(loop) { loop->Register(this); }

LoopMember::~LoopMember() { loop_->Unregister(this); }

void LoopMember::MarkDirty() {
  if (!dirty_) loop_->MarkDirty(this);
}

EdgeLoop::EdgeLoop(size_t index, const Shared* shared)
    : index_(index),
      shared_(shared),
      // Sockets and timers belong to the loop's thread; only posting needs a lock.
      io_context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      sweep_timer_(io_context_) {
  ReadClock();
  ScheduleSweep();
}

EdgeLoop::~EdgeLoop() {
  // It may hold sockets of the io_context.
  std::vector<std::function<void()>> unrun;
  const absl::MutexLock lock(&posted_mutex_);
  unrun.swap(posted_);
}

void EdgeLoop::Post(std::function<void()> fn) {
  {
    const absl::MutexLock lock(&posted_mutex_);
    posted_.push_back(std::move(fn));
    if (posted_.size() > 1) return;
  }
  net::post(io_context_, [this] { RunPosted(); });
}

void EdgeLoop::RunPosted() {
  {
    const absl::MutexLock lock(&posted_mutex_);
    running_.swap(posted_);
  }
  for (std::function<void()>& posted : running_) {
    // What it holds is let go of as soon as it has run.
    const std::function<void()> fn = std::move(posted);
    ReadClock();
    fn();
  }
  running_.clear();
}

void EdgeLoop::RunAfter(std::chrono::milliseconds delay, std::function<void()> fn) {
  net::post(io_context_, [this, delay, fn = std::move(fn)]() mutable {
    auto timer = std::make_unique<net::steady_timer>(io_context_, delay);
    net::steady_timer& waiting = *timer;
    waiting.async_wait(
        [this, timer = std::move(timer), fn = std::move(fn)](const ErrorCode& error) {
          if (error) return;
          ReadClock();
          fn();
        });
  });
}

void EdgeLoop::Run() { io_context_.run(); }

void EdgeLoop::Poll() { io_context_.poll(); }

void EdgeLoop::Stop() {
  net::post(io_context_, [this] {
    draining_ = true;
    sweep_timer_.cancel();
    // Abort destroys a member, whose place the last one takes, or leaves it to operations that end
    // now.
    for (size_t i = members_.size(); i-- > 0;) {
      if (i < members_.size()) members_[i]->Abort();
    }
    net::post(io_context_, [this] { io_context_.stop(); });
  });
}

void EdgeLoop::ConnectionClosed() {
  counters_.open_connections.Sub();
  if (counters_.open_connections.value() == 0 && shared_->on_idle) shared_->on_idle();
}

void EdgeLoop::Drain(std::chrono::milliseconds window) {
  if (draining_) return;
  draining_ = true;
  drain_started_ms_ = ReadClock();
  drain_window_ms_ = std::max<int64_t>(window.count(), 1);
  drain_total_ = members_.size();
  DrainSome();
}

void EdgeLoop::DrainSome() {
  const int64_t elapsed = std::min(ReadClock() - drain_started_ms_, drain_window_ms_);
  const size_t due =
      drain_total_ * static_cast<size_t>(elapsed) / static_cast<size_t>(drain_window_ms_);
  const bool last = elapsed >= drain_window_ms_;
  for (size_t i = members_.size(); i-- > 0 && (last || drained_ < due);) {
    if (i >= members_.size()) continue;
    const uint64_t wait = shared_->ids->Random64() % static_cast<uint64_t>(drain_window_ms_ + 1);
    if (members_[i]->Drain("reconnect_after_ms=" + std::to_string(wait))) ++drained_;
  }
  if (!last) RunAfter(kDrainStep, [this] { DrainSome(); });
}

void EdgeLoop::Register(LoopMember* member) {
  member->slot_ = static_cast<uint32_t>(members_.size());
  members_.push_back(member);
}

void EdgeLoop::Unregister(LoopMember* member) {
  members_[member->slot_] = members_.back();
  members_[member->slot_]->slot_ = member->slot_;
  members_.pop_back();
  if (!member->dirty_) return;
  std::replace(dirty_.begin(), dirty_.end(), member, static_cast<LoopMember*>(nullptr));
  std::replace(ending_.begin(), ending_.end(), member, static_cast<LoopMember*>(nullptr));
}

void EdgeLoop::MarkDirty(LoopMember* member) {
  member->dirty_ = true;
  if (dirty_.empty()) net::post(io_context_, [this] { EndTurn(); });
  dirty_.push_back(member);
}

void EdgeLoop::EndTurn() {
  ReadClock();
  ending_.swap(dirty_);
  for (size_t i = 0; i < ending_.size(); ++i) {
    LoopMember* member = std::exchange(ending_[i], nullptr);
    if (member == nullptr) continue;
    member->dirty_ = false;
    member->OnTurnEnd();
  }
  ending_.clear();
}

void EdgeLoop::ScheduleSweep() {
  const int64_t step = std::max<int64_t>(options().sweep_period_ms / kSweepSteps, 1);
  sweep_timer_.expires_after(std::chrono::milliseconds(step));
  sweep_timer_.async_wait([this](const ErrorCode& error) {
    if (error) return;
    Sweep();
    ScheduleSweep();
  });
}

void EdgeLoop::Sweep() {
  const int64_t now_ms = ReadClock();
  size_t visits = (members_.size() + kSweepSteps - 1) / kSweepSteps;
  for (; visits > 0 && !members_.empty(); --visits) {
    if (sweep_next_ >= members_.size()) sweep_next_ = 0;
    LoopMember* member = members_[sweep_next_];
    member->OnSweep(now_ms);
    // A destroyed member's place has gone to another, whose turn it is.
    if (sweep_next_ < members_.size() && members_[sweep_next_] == member) ++sweep_next_;
  }
}

}  // namespace covet::edge
