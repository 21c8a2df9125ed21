#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/eventlog/event_log.h"
#include "tests/simulation/kernel.h"

namespace covet::sim {

// What survives a kill.
struct Disk {
  struct Log {
    eventlog::LogState state;
    std::deque<eventlog::Record> records;
    int64_t time_ms = 0;  // Of the newest batch.
  };
  std::map<std::string, Log> logs;
  std::map<std::string, std::string> values;
  std::string broken;  // How the log's contract was broken, if it was.
};

// An event log over a Disk in virtual time. Writes commit in groups, each after a random delay.
// When it is destroyed, as by a kill, what waits is lost, or committed without anyone hearing of
// it.
class SimLog final : public eventlog::EventLog {
 public:
  SimLog(Kernel& kernel, Disk& disk, int64_t max_commit_us)
      : kernel_(kernel), disk_(disk), max_commit_us_(max_commit_us) {}
  ~SimLog() override;

  void Create(std::string log_id, StateCallback done) override;
  void Head(std::string log_id, StateCallback done) override;
  void Append(eventlog::Batch batch, StatusCallback done) override;
  void Read(std::string log_id, int64_t after, int32_t limit, int64_t max_bytes,
            ReadCallback done) override;
  void ReadSince(std::string log_id, int64_t since_ms, int32_t limit, ReadCallback done) override;
  void Trim(std::string log_id, eventlog::Retention retention, int64_t now_ms,
            StateCallback done) override;
  void Delete(std::string log_id, StatusCallback done) override;
  void Put(std::string key, std::string value, StatusCallback done) override;
  void Erase(std::string key, StatusCallback done) override;
  void Scan(std::string prefix, std::string after_key, int32_t limit, ScanCallback done) override;

 private:
  // Changes the disk and returns the callback's call.
  using Write = std::function<std::function<void()>()>;
  void Queue(Write write);
  void Commit();
  void Later(std::function<void()> call);

  Kernel& kernel_;
  Disk& disk_;
  const int64_t max_commit_us_;
  std::vector<Write> waiting_;
  std::vector<Write> committing_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace covet::sim
