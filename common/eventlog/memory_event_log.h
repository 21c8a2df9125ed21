#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/id_generator.h"
#include "common/eventlog/event_log.h"
#include "common/eventlog/memory_storage.h"

namespace covet::eventlog {

struct MemoryOptions {
  // Bound of the queue; beyond it calls get RESOURCE_EXHAUSTED.
  int64_t queue_bytes = int64_t{64} << 20;
  // Borrowed; outlives the log.
  IdGenerator* ids = &SystemIds();
  // Runs each task once, later, one after another, in any order, and not beside the log's
  // destructor. A task that runs after the log's end does nothing. By default the log has a thread
  // of its own.
  std::function<void(std::function<void()> task)> executor;
  // Stands in for a disk in simulations: logs opened over it one after another find what was
  // committed. By default the log begins empty, and so with new epochs.
  std::shared_ptr<MemoryStorage> storage;
};

// An EventLog in memory: gone with the process. All calls, reads too, take effect in their order,
// each in one task with its callback.
class MemoryEventLog final : public EventLog {
 public:
  explicit MemoryEventLog(MemoryOptions options = {});
  ~MemoryEventLog() override;

  // As if the process were killed: of the calls that wait the first `committed` reach the storage
  // and the rest is lost; none of their callbacks run. Any later call is answered UNAVAILABLE. With
  // an executor only.
  void Crash(size_t committed);

  void Create(std::string log_id, StateCallback done) override;
  void Head(std::string log_id, StateCallback done) override;
  void Append(Batch batch, StatusCallback done) override;
  void Read(std::string log_id, int64_t after, int32_t limit, int64_t max_bytes,
            ReadCallback done) override;
  void ReadSince(std::string log_id, int64_t since_ms, int32_t limit, ReadCallback done) override;
  void Trim(std::string log_id, Retention retention, int64_t now_ms, StateCallback done) override;
  void Delete(std::string log_id, StatusCallback done) override;
  void Put(std::string key, std::string value, StatusCallback done) override;
  void Erase(std::string key, StatusCallback done) override;
  void Scan(std::string prefix, std::string after_key, int32_t limit, ScanCallback done) override;

 private:
  class Core;
  const std::shared_ptr<Core> core_;
};

}  // namespace covet::eventlog
