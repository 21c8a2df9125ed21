#pragma once

#include <cstdint>
#include <utility>

#include "common/base/backoff.h"

namespace covet::edge {

struct LinkTimes {
  int64_t beat_interval_ms = 2'000;
  int64_t silence_ms = 8'000;  // Without a frame for so long the stream is given up.
  int64_t min_backoff_ms = 20;
  int64_t max_backoff_ms = 1'000;
};

// When the stream of a link is opened, beats, and is given up: decisions only, on steady
// milliseconds. Not thread-safe; its link holds a lock.
class LinkLifecycle {
 public:
  // What the link is to do with its wire.
  enum class Action : uint8_t { kNothing, kConnect, kCancel };

  explicit LinkLifecycle(const LinkTimes& times)
      : times_(times), backoff_(times.min_backoff_ms, times.max_backoff_ms) {}

  Action Start(int64_t now_ms) {
    away_since_ms_ = last_frame_ms_ = now_ms;
    state_ = State::kConnecting;
    return Action::kConnect;
  }
  Action Stop() {
    const bool open = state_ == State::kConnecting || state_ == State::kUp;
    state_ = State::kStopped;
    return open ? Action::kCancel : Action::kNothing;
  }
  Action Tick(int64_t now_ms) {
    if (state_ == State::kIdle && now_ms >= next_connect_ms_) {
      state_ = State::kConnecting;
      last_frame_ms_ = now_ms;
      return Action::kConnect;
    }
    const bool open = state_ == State::kConnecting || state_ == State::kUp;
    return open && now_ms - last_frame_ms_ >= times_.silence_ms ? Action::kCancel
                                                                : Action::kNothing;
  }

  // The stream is open; kCancel if the link was stopped meanwhile.
  Action OnUp(int64_t now_ms) {
    if (state_ == State::kStopped) return Action::kCancel;
    state_ = State::kUp;
    last_frame_ms_ = now_ms;
    return Action::kNothing;
  }
  void OnFrame(int64_t now_ms) {
    last_frame_ms_ = now_ms;
    answered_ = true;
  }
  void OnDown(int64_t now_ms) {
    if (state_ == State::kStopped) return;
    if (std::exchange(answered_, false)) {
      away_since_ms_ = now_ms;
      backoff_.Reset();
    }
    state_ = State::kIdle;
    next_connect_ms_ = now_ms + backoff_.NextMs();
  }

  bool beat_due(int64_t now_ms) const { return now_ms - last_beat_ms_ >= times_.beat_interval_ms; }
  void NoteBeat(int64_t now_ms) { last_beat_ms_ = now_ms; }

  bool up() const { return state_ == State::kUp; }
  bool stopped() const { return state_ == State::kStopped; }
  // The other end has answered on this stream.
  bool answered() const { return answered_; }
  // Since when it has not, while answered() is false.
  int64_t away_since_ms() const { return away_since_ms_; }

 private:
  enum class State : uint8_t { kIdle, kConnecting, kUp, kStopped };

  const LinkTimes times_;
  State state_ = State::kIdle;
  bool answered_ = false;
  int64_t next_connect_ms_ = 0;
  Backoff backoff_;
  int64_t away_since_ms_ = 0;
  int64_t last_frame_ms_ = 0;
  int64_t last_beat_ms_ = 0;
};

}  // namespace covet::edge
