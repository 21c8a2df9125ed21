#include <algorithm>
#include <utility>

#include "common/errors/error.h"
#include "tests/simulation/stream_world.h"

namespace covet::sim {

using streams::v1::SubscribeResponse;

void SimStreamService::NewLog() {
  epoch_ = world_.kernel().ids().NewId("e");
  logs_[epoch_];
}

void SimStreamService::Append() {
  StreamTruth& truth = log();
  for (int64_t count = world_.kernel().Random(1, world_.kernel().Chance(10) ? 40 : 4); count > 0;
       --count) {
    truth.records.push_back(
        {world_.kernel().Chance(40), static_cast<int>(world_.kernel().Random(0, 5))});
  }
  std::erase_if(calls_, [](const auto& call) { return call.expired(); });
  for (const auto& weak : calls_) {
    if (const auto call = weak.lock()) call->Pump();
  }
}

void SimStreamService::Evict(int64_t oldest) {
  log().oldest = std::clamp(oldest, log().oldest, log().head() + 1);
}

void SimStreamService::GoAway(int64_t for_us, bool new_log) {
  away_ = true;
  for (const auto& weak : std::exchange(calls_, {})) {
    if (const auto call = weak.lock()) call->Cut();
  }
  if (new_log) NewLog();
  world_.kernel().After(for_us, [this] { away_ = false; });
}

void SimStreamService::CutOne() {
  if (calls_.empty()) return;
  const auto index = world_.kernel().Random(0, static_cast<int64_t>(calls_.size()) - 1);
  if (const auto call = calls_[static_cast<size_t>(index)].lock()) call->Cut();
}

void SimStreamService::AddRecord(int64_t offset,
                                 google::protobuf::RepeatedPtrField<streams::v1::Record>* out) {
  const StreamTruth::Entry& entry = log().records[static_cast<size_t>(offset - 1)];
  streams::v1::Record& record = *out->Add();
  record.set_offset(offset);
  record.mutable_payload()->set_json("{\"n\":" + std::to_string(offset) + ",\"key\":\"k" +
                                     std::to_string(entry.key) + "\"}");
}

std::shared_ptr<SimStreamService::Call> SimStreamService::Subscribe(
    const streams::v1::SubscribeRequest& request, std::function<void(SubscribeResponse)> message,
    std::function<void(absl::Status)> down) {
  auto call = std::make_shared<Call>(*this, std::move(message), std::move(down));
  calls_.push_back(call);
  world_.kernel().After(world_.kernel().Random(50, 3'000),
                        [call, request] { call->Start(request); });
  return call;
}

absl::Status SimStreamService::GetHistory(const streams::v1::GetHistoryRequest& request,
                                          streams::v1::GetHistoryResponse* response) {
  if (away_) return MakeError(ErrorCode::kUnavailable, "away");
  if (!request.epoch().empty() && request.epoch() != epoch_) {
    return MakeError(ErrorCode::kEpochChanged, "another log");
  }
  const StreamTruth& truth = log();
  int64_t last = std::max(request.after_offset(), truth.oldest - 1);
  const int64_t most = world_.kernel().Random(1, 20);
  while (last < truth.head() && response->records_size() < most) {
    ++last;
    const bool wanted =
        request.filter().tags_size() == 0 || truth.records[static_cast<size_t>(last - 1)].even;
    if (wanted) AddRecord(last, response->mutable_records());
  }
  response->set_epoch(epoch_);
  response->set_last_offset(last);
  response->set_first_offset(truth.oldest);
  response->set_head_offset(truth.head());
  return absl::OkStatus();
}

void SimStreamService::Call::Start(const streams::v1::SubscribeRequest& request) {
  if (over_) return;
  if (service_.away_) return Cut();
  const StreamTruth& truth = service_.log();
  epoch_ = service_.epoch_;
  even_ = request.filter().tags_size() > 0;
  SubscribeResponse opened;
  opened.mutable_opened()->set_epoch(epoch_);
  opened.mutable_opened()->set_offset(truth.head());
  cursor_ = truth.head();
  if (request.has_resume() && request.resume().epoch() == epoch_ &&
      request.resume().offset() <= truth.head()) {
    opened.mutable_opened()->set_recovered(request.resume().offset() >= truth.oldest - 1);
    cursor_ = std::max(request.resume().offset(), truth.oldest - 1);
  }
  reading_ = true;
  Send(std::move(opened));
}

void SimStreamService::Call::ReadOn() {
  reading_ = true;
  Pump();
}

void SimStreamService::Call::Pump() {
  if (over_ || !reading_ || sending_ || epoch_.empty()) return;
  const StreamTruth& truth = service_.log();
  if (cursor_ >= truth.head()) return;
  SubscribeResponse message;
  if (cursor_ + 1 < truth.oldest) {
    message.mutable_closed()->set_reason("reset");
    return Send(std::move(message));
  }
  streams::v1::RecordBatch& batch = *message.mutable_batch();
  batch.set_first_offset(cursor_ + 1);
  const int64_t most = service_.world_.kernel().Random(1, 30);
  while (cursor_ < truth.head() && batch.records_size() < most) {
    ++cursor_;
    if (!even_ || truth.records[static_cast<size_t>(cursor_ - 1)].even) {
      service_.AddRecord(cursor_, batch.mutable_records());
    }
  }
  batch.set_last_offset(cursor_);
  Send(std::move(message));
}

void SimStreamService::Call::Send(SubscribeResponse message) {
  reading_ = false;
  sending_ = true;
  service_.world_.kernel().After(
      service_.world_.kernel().Random(50, 3'000),
      [self = shared_from_this(), message = std::move(message)]() mutable {
        self->sending_ = false;
        if (self->over_) return;
        self->message_(std::move(message));
      });
}

void SimStreamService::Call::Cut() {
  if (std::exchange(over_, true)) return;
  service_.world_.kernel().After(
      service_.world_.kernel().Random(50, 20'000),
      [self = shared_from_this()] { self->down_(MakeError(ErrorCode::kUnavailable, "cut")); });
}

}  // namespace covet::sim
