#include "edge/transport/outbox.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace covet::edge {

SendResult Outbox::Send(Outbound message, int64_t now_ms) {
  if (finishing_) return SendResult::kDropped;
  return queue_.Push(std::move(message), now_ms);
}

void Outbox::AddControl(std::string_view frames, int64_t now_ms) {
  if (finishing_) return;
  if (control_.empty()) control_at_ms_ = now_ms;
  control_.append(frames);
}

void Outbox::Finish(std::string close_frame, int64_t now_ms) {
  if (finishing_) return;
  finishing_ = true;
  if (control_.empty()) control_at_ms_ = now_ms;
  close_frame_ = std::make_unique<std::string>(std::move(close_frame));
}

void Outbox::DropMessages() {
  queue_.Clear();
  if (!in_flight_) return;
  std::vector<Piece>& pieces = in_flight_->pieces;
  const auto waits = [&](const Piece& piece) {
    return piece.is_message && (&piece != &pieces.front() || in_flight_->skip == 0);
  };
  for (const Piece& piece : pieces) {
    if (waits(piece)) queue_.Release(piece.cost);
  }
  pieces.erase(std::remove_if(pieces.begin() + (in_flight_->skip > 0 ? 1 : 0), pieces.end(),
                              [](const Piece& piece) { return piece.is_message; }),
               pieces.end());
  if (pieces.empty()) in_flight_.reset();
}

bool Outbox::empty() const {
  return queue_.empty() && !in_flight_ && control_.empty() && !close_frame_;
}

int64_t Outbox::OldestQueuedAt(int64_t none) const {
  int64_t oldest = queue_.OldestQueuedAt(none);
  if (in_flight_) oldest = std::min(oldest, in_flight_->pieces.front().queued_at_ms);
  if (!control_.empty() || close_frame_) oldest = std::min(oldest, control_at_ms_);
  return oldest;
}

void Outbox::Gather(int64_t now_ms, size_t max_bytes, WriteBatch* batch) {
  std::vector<Piece>& pieces = batch->pieces_;
  assert(pieces.empty());
  pieces.reserve(WriteBatch::kMaxPieces);
  size_t bytes = 0;
  if (in_flight_) {
    batch->skip_ = in_flight_->skip;
    for (Piece& piece : in_flight_->pieces) {
      bytes += piece.size();
      pieces.push_back(std::move(piece));
    }
    in_flight_.reset();
  }
  if (!control_.empty() && pieces.size() < WriteBatch::kMaxPieces) {
    bytes += control_.size();
    pieces.push_back({.own = std::exchange(control_, {}), .queued_at_ms = control_at_ms_});
  }
  Departure departure;
  while (pieces.size() < WriteBatch::kMaxPieces && bytes < max_bytes &&
         queue_.Pop(now_ms, &departure)) {
    Piece& piece = pieces.emplace_back();
    if (departure.spliced()) {
      std::string insert;
      departure.AppendInsert(&insert);
      departure.frame->AppendSplicedHead(insert, deflate_, &piece.own);
      piece.shared = departure.frame->spliced_tail(deflate_);
    } else {
      piece.shared = deflate_ ? departure.frame->deflated_wire() : departure.frame->wire();
    }
    piece.frame = std::move(departure.frame);
    piece.cost = departure.cost;
    piece.queued_at_ms = departure.queued_at_ms;
    piece.is_message = true;
    bytes += piece.size();
  }
  if (close_frame_ && pieces.size() < WriteBatch::kMaxPieces && queue_.empty()) {
    pieces.push_back({.own = std::move(*close_frame_), .queued_at_ms = control_at_ms_});
    close_frame_.reset();
  }

  size_t skip = batch->skip_;
  const auto add = [&](std::string_view part) {
    const size_t skipped = std::min(skip, part.size());
    skip -= skipped;
    part.remove_prefix(skipped);
    if (part.empty()) return;
    batch->iov_[batch->iov_count_++] = {const_cast<char*>(part.data()), part.size()};
    batch->bytes_ += part.size();
  };
  for (const Piece& piece : pieces) {
    add(piece.own);
    add(piece.shared);
  }
}

size_t Outbox::Written(WriteBatch* batch, size_t bytes) {
  assert(bytes <= batch->bytes_);
  size_t messages = 0;
  size_t left = bytes + batch->skip_;
  auto it = batch->pieces_.begin();
  for (; it != batch->pieces_.end() && left >= it->size(); ++it) {
    left -= it->size();
    queue_.Release(it->cost);
    if (it->is_message) ++messages;
  }
  if (it != batch->pieces_.end()) {
    in_flight_ = std::make_unique<InFlight>();
    in_flight_->skip = left;
    in_flight_->pieces.assign(std::make_move_iterator(it),
                              std::make_move_iterator(batch->pieces_.end()));
  }
  batch->pieces_.clear();
  batch->iov_count_ = 0;
  batch->bytes_ = 0;
  batch->skip_ = 0;
  return messages;
}

}  // namespace covet::edge
