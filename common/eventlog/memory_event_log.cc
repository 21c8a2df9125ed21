#include "common/eventlog/memory_event_log.h"

#include <limits>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "common/eventlog/bounded_queue.h"
#include "common/eventlog/log_errors.h"
#include "common/eventlog/read_op.h"
#include "common/eventlog/write_op.h"

namespace covet::eventlog {
namespace {

constexpr int64_t kNoBound = std::numeric_limits<int64_t>::max();
constexpr int64_t kReadCost = 256;

}  // namespace

class MemoryEventLog::Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(MemoryOptions options)
      : options_(std::move(options)), calls_(options_.queue_bytes) {
    if (options_.storage == nullptr) options_.storage = std::make_shared<MemoryStorage>();
    if (!options_.executor) {
      thread_ = std::thread([this] {
        while (RunSome(/*wait=*/true, std::numeric_limits<size_t>::max())) {
        }
      });
    }
  }

  void End() {
    calls_.Close();
    if (thread_.joinable()) thread_.join();
    while (RunSome(/*wait=*/false, std::numeric_limits<size_t>::max())) {
    }
  }

  void Crash(size_t committed) {
    calls_.Close();
    std::vector<Call> lost;
    int64_t cost = 0;
    calls_.TryTake(kNoBound, std::numeric_limits<size_t>::max(), &lost, &cost);
    for (size_t i = 0; i < lost.size() && i < committed; ++i) {
      if (const auto* write = std::get_if<WriteOp>(&lost[i])) {
        options_.storage->Apply(*write, *options_.ids);
      }
    }
  }

  void Write(WriteOp op) {
    const int64_t cost = WriteCost(op);
    if (absl::Status status = Validate(op); !status.ok()) Refuse(op, std::move(status));
    Enqueue(std::move(op), cost);
  }
  void Read(ReadOp op) { Enqueue(std::move(op), kReadCost); }

 private:
  using Call = std::variant<WriteOp, ReadOp>;

  void Enqueue(Call call, int64_t cost) {
    calls_.PushOrRefuse(std::move(call), cost, [](Call& refused, bool closed) {
      if (auto* write = std::get_if<WriteOp>(&refused)) {
        Refuse(*write, QueueRefusal(closed));
      } else {
        std::get<ReadOp>(refused).refusal = QueueRefusal(closed);
      }
    });
    if (options_.executor) {
      options_.executor([weak = weak_from_this()] {
        if (const auto core = weak.lock()) core->RunSome(/*wait=*/false, 1);
      });
    }
  }

  // False if there was nothing to run.
  bool RunSome(bool wait, size_t at_most) {
    std::vector<Call> calls;
    int64_t cost = 0;
    const bool some = wait ? calls_.Take(kNoBound, at_most, &calls, &cost)
                           : calls_.TryTake(kNoBound, at_most, &calls, &cost);
    calls_.Release(cost);
    for (Call& call : calls) {
      if (auto* write = std::get_if<WriteOp>(&call)) {
        Finish(*write, options_.storage->Apply(*write, *options_.ids));
      } else {
        RunRead(std::get<ReadOp>(call), *options_.storage);
      }
    }
    return some;
  }

  MemoryOptions options_;
  // Bytes. Beyond the bound a call is refused; the refusal keeps its place but none of its data.
  BoundedQueue<Call> calls_;
  std::thread thread_;
};

MemoryEventLog::MemoryEventLog(MemoryOptions options)
    : core_(std::make_shared<Core>(std::move(options))) {}
MemoryEventLog::~MemoryEventLog() { core_->End(); }

void MemoryEventLog::Crash(size_t committed) { core_->Crash(committed); }

void MemoryEventLog::Create(std::string log_id, StateCallback done) {
  core_->Write({CreateOp{std::move(log_id), std::move(done)}, {}});
}
void MemoryEventLog::Head(std::string log_id, StateCallback done) {
  core_->Read({HeadOp{std::move(log_id), std::move(done)}, {}});
}
void MemoryEventLog::Append(Batch batch, StatusCallback done) {
  core_->Write({AppendOp{std::move(batch), std::move(done)}, {}});
}
void MemoryEventLog::Read(std::string log_id, int64_t after, int32_t limit, int64_t max_bytes,
                          ReadCallback done) {
  core_->Read({ReadAfterOp{std::move(log_id), after, limit, max_bytes, std::move(done)}, {}});
}
void MemoryEventLog::ReadSince(std::string log_id, int64_t since_ms, int32_t limit,
                               ReadCallback done) {
  core_->Read({ReadSinceOp{std::move(log_id), since_ms, limit, std::move(done)}, {}});
}
void MemoryEventLog::Trim(std::string log_id, Retention retention, int64_t now_ms,
                          StateCallback done) {
  core_->Write({TrimOp{std::move(log_id), retention, now_ms, std::move(done)}, {}});
}
void MemoryEventLog::Delete(std::string log_id, StatusCallback done) {
  core_->Write({DeleteOp{std::move(log_id), std::move(done)}, {}});
}
void MemoryEventLog::Put(std::string key, std::string value, StatusCallback done) {
  core_->Write({PutOp{std::move(key), std::move(value), std::move(done)}, {}});
}
void MemoryEventLog::Erase(std::string key, StatusCallback done) {
  core_->Write({EraseOp{std::move(key), std::move(done)}, {}});
}
void MemoryEventLog::Scan(std::string prefix, std::string after_key, int32_t limit,
                          ScanCallback done) {
  core_->Read({ScanOp{std::move(prefix), std::move(after_key), limit, std::move(done)}, {}});
}

}  // namespace covet::eventlog
