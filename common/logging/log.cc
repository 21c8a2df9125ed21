#include "common/logging/log.h"

#include <fcntl.h>
#include <spdlog/async.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "common/base/clock.h"
#include "common/logging/backend.h"
#include "common/logging/json_line.h"
#include "common/logging/line_sink.h"

namespace covet::log {
namespace internal {
std::atomic<int> level{static_cast<int>(Level::kWarning)};
}

namespace {

// Audit records that wait for their writer. A full queue makes Record wait: none is ever dropped.
constexpr size_t kAuditQueueLines = 8192;

// One writer thread with its queue and its file.
struct Channel {
  std::shared_ptr<internal::LineSink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;

  void Open(const char* name, int fd, size_t queue_lines, spdlog::async_overflow_policy policy) {
    sink = std::make_shared<internal::LineSink>(fd);
    pool = std::make_shared<spdlog::details::thread_pool>(queue_lines, 1);
    logger = std::make_shared<spdlog::async_logger>(name, sink, pool, policy);
    logger->set_level(spdlog::level::trace);
  }
  void Flush() {
    if (!logger) return;
    const uint64_t seen = sink->flushes();
    logger->flush();
    sink->WaitForFlush(seen);
  }
  // The pool writes everything that waits before its thread ends. It goes first, so that its thread
  // never holds the last reference to the logger.
  void Close() {
    pool.reset();
    logger.reset();
    sink.reset();
  }
};

struct Backend {
  std::atomic<bool> running{false};
  std::string target;
  Channel main;
  Channel audit;
  int64_t dropped_before = 0;

  std::atomic<bool> capturing{false};
  std::mutex capture_mutex;
  std::vector<std::string> captured;  // Guarded by capture_mutex.
};

// Lives as long as the process: threads may log until the very end.
Backend& GetBackend() {
  static Backend* const kBackend = new Backend;
  return *kBackend;
}

const char* LevelName(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    default:
      return "error";
  }
}

}  // namespace

namespace internal {

void Emit(std::string line) {
  Backend& backend = GetBackend();
  if (backend.capturing.load(std::memory_order_acquire)) {
    std::lock_guard lock(backend.capture_mutex);
    backend.captured.push_back(std::move(line));
  } else if (backend.running.load(std::memory_order_acquire)) {
    backend.main.logger->log(spdlog::level::info, spdlog::string_view_t(line));
  } else {
    line.push_back('\n');
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
}

void EmitAudit(std::string line) {
  Backend& backend = GetBackend();
  if (backend.running.load(std::memory_order_acquire) &&
      !backend.capturing.load(std::memory_order_acquire)) {
    backend.audit.logger->log(spdlog::level::info, spdlog::string_view_t(line));
  } else {
    Emit(std::move(line));
  }
}

void AppendTarget(std::string* line) {
  const Backend& backend = GetBackend();
  if (backend.target.empty()) return;
  line->append(",\"target\":");
  AppendJsonString(backend.target, line);
}

}  // namespace internal

bool Init(const Options& options, std::string* error) {
  Backend& backend = GetBackend();
  int audit_fd = STDERR_FILENO;
  if (!options.audit_file.empty()) {
    audit_fd = open(options.audit_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (audit_fd < 0) {
      *error = "cannot open audit file " + options.audit_file + ": " + std::strerror(errno);
      return false;
    }
  }
  backend.target = options.target;
  backend.main.Open("covet", STDERR_FILENO, options.queue_lines,
                    spdlog::async_overflow_policy::overrun_oldest);
  backend.audit.Open("audit", audit_fd, kAuditQueueLines, spdlog::async_overflow_policy::block);
  SetLevel(options.level);
  backend.running.store(true, std::memory_order_release);
  return true;
}

void Shutdown() {
  Backend& backend = GetBackend();
  if (!backend.running.exchange(false)) return;
  backend.dropped_before += static_cast<int64_t>(backend.main.pool->overrun_counter());
  backend.main.Close();
  backend.audit.Close();
  backend.target.clear();
}

void Flush() {
  Backend& backend = GetBackend();
  if (!backend.running.load(std::memory_order_acquire)) return;
  backend.main.Flush();
  backend.audit.Flush();
}

void SetLevel(Level level) {
  internal::level.store(static_cast<int>(level), std::memory_order_relaxed);
}

int64_t DroppedLines() {
  Backend& backend = GetBackend();
  if (!backend.running.load(std::memory_order_acquire)) return backend.dropped_before;
  return backend.dropped_before + static_cast<int64_t>(backend.main.pool->overrun_counter());
}

void Write(Level level, std::string_view event, Fields fields) {
  std::string line = LineHead(SystemClock().WallMillis(), LevelName(level), event);
  internal::AppendTarget(&line);
  AppendFields(fields, &line);
  line.push_back('}');
  internal::Emit(std::move(line));
}

Capture::Capture(Level level)
    : before_(static_cast<Level>(internal::level.load(std::memory_order_relaxed))) {
  Backend& backend = GetBackend();
  {
    std::lock_guard lock(backend.capture_mutex);
    backend.captured.clear();
  }
  backend.capturing.store(true, std::memory_order_release);
  SetLevel(level);
}

Capture::~Capture() {
  GetBackend().capturing.store(false, std::memory_order_release);
  SetLevel(before_);
}

std::vector<std::string> Capture::lines() const {
  Backend& backend = GetBackend();
  std::lock_guard lock(backend.capture_mutex);
  return backend.captured;
}

}  // namespace covet::log
