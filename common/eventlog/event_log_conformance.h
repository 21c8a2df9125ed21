#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/eventlog/blocking_log.h"
#include "common/eventlog/event_log.h"
#include "gtest/gtest.h"

namespace covet::eventlog {

// Gives the conformance suite logs of one implementation, each harness with data of its own.
class EventLogHarness {
 public:
  virtual ~EventLogHarness() = default;
  // Opens the log over what earlier ones left, which the suite has destroyed.
  virtual std::unique_ptr<EventLog> Open(int64_t queue_bytes) = 0;
  // False for logs that begin empty each time they are opened.
  virtual bool keeps_data() const { return true; }
};

struct ConformanceCase {
  std::string name;
  std::function<std::unique_ptr<EventLogHarness>()> make_harness;
};

// What every EventLog must do. An implementation's test links covet::eventlog_conformance and says
//   INSTANTIATE_TEST_SUITE_P(Mine, EventLogConformance, testing::Values(ConformanceCase{…}),
//   CaseName);
class EventLogConformance : public testing::TestWithParam<ConformanceCase> {
 protected:
  static constexpr int64_t kQueueBytes = int64_t{16} << 20;

  void SetUp() override;
  void Reopen();
  BlockingLog log() { return BlockingLog(*log_); }

  static Batch MakeBatch(const std::string& log_id, const std::string& epoch, int64_t first_offset,
                         const std::vector<std::string>& records, int64_t time_ms = 1000);
  // Makes the log and gives it a batch per record: the i-th, from 0, at `time_ms` + i * `step_ms`.
  // Returns its epoch.
  std::string Fill(const std::string& log_id, const std::vector<std::string>& records,
                   int64_t time_ms = 1000, int64_t step_ms = 1);

  static std::vector<std::string> Texts(const absl::StatusOr<ReadResult>& result);
  static std::vector<int64_t> Offsets(const absl::StatusOr<ReadResult>& result);
  // "1", "2" …, each filled up to `size` bytes.
  static std::vector<std::string> Numbered(int count, size_t size = 0);

  std::unique_ptr<EventLogHarness> harness_;
  std::unique_ptr<EventLog> log_;
};

std::string CaseName(const testing::TestParamInfo<ConformanceCase>& info);

}  // namespace covet::eventlog
