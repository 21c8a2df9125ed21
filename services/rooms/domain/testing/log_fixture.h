#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/id_generator.h"
#include "common/base/manual_clock.h"
#include "common/eventlog/memory_event_log.h"
#include "services/rooms/domain/testing/queue_executor.h"

namespace covet::rooms {

// A log on the test's own executor, over a storage that outlives it.
class LogFixture : public ::testing::Test {
 protected:
  void OpenLog(int64_t queue_bytes = 64 << 20) {
    eventlog::MemoryOptions options;
    options.queue_bytes = queue_bytes;
    options.ids = &ids_;
    options.executor = [this](std::function<void()> task) { executor_.Post(std::move(task)); };
    options.storage = storage_;
    log_ = std::make_unique<eventlog::MemoryEventLog>(std::move(options));
  }

  // As after `kill -9`: the first `committed` of the calls that wait have reached the storage.
  void Crash(size_t committed) {
    log_->Crash(committed);
    executor_.Run();
    log_.reset();
  }

  // All records of a log; none if there is no such log.
  std::vector<eventlog::Record> Records(const std::string& log_id) {
    std::vector<eventlog::Record> records;
    log_->Read(log_id, 0, 1'000'000, INT64_MAX, [&](auto result) {
      if (result.ok()) records = result->records;
    });
    executor_.Run();
    return records;
  }

  ManualClock clock_;
  SeededIds ids_{1};
  QueueExecutor executor_;
  std::shared_ptr<eventlog::MemoryStorage> storage_ = std::make_shared<eventlog::MemoryStorage>();
  std::unique_ptr<eventlog::MemoryEventLog> log_;
};

}  // namespace covet::rooms
