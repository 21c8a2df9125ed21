#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Structured logs: one JSON object per line on standard error, e.g.
//   {"ts":"2025-09-10T12:00:00.123Z","level":"info","event":"session_opened","target":"edge","session_id":"sess_…"}
//
// Names of events and fields are snake_case. Use the same field for the same thing everywhere:
// session_id, correlation_id, user_id, room_id, address, method, code, error (a text), role.
// Credentials, tokens and payloads are never logged.
//
// Thread-safe. A call formats on the caller's thread and hands the line to a writer thread through
// a queue of `queue_lines`; when that is full the oldest waiting line is dropped and counted, so
// logging never blocks. Before Init and after Shutdown lines are written at once, from warnings up.
namespace covet::log {

enum class Level : int { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3, kOff = 4 };

// One `"key":value`. Holds views: good for the duration of the call that it is an argument of.
struct Field {
  std::string_view key;
  std::variant<std::string_view, int64_t, double, bool> value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  template <typename T>
  requires std::same_as<T, bool> Field(std::string_view k, T v) : key(k), value(v) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Field(std::string_view k, T v)
      : key(k), value(static_cast<int64_t>(v)) {}
  template <std::floating_point T>
  Field(std::string_view k, T v) : key(k), value(static_cast<double>(v)) {}
};
using Fields = std::initializer_list<Field>;

struct Options {
  Level level = Level::kInfo;
  std::string target = {};  // What this process runs, the `target` of every line; empty for none.
  std::string audit_file = {};  // Where audit::Record writes; empty for the main log.
  size_t queue_lines = 8192;
};

// Starts the writer. False, with the reason in `error`, if the audit file cannot be opened. Called
// once, by main.
bool Init(const Options& options, std::string* error);
// Writes what waits and stops the writer. Not to be called while other threads log.
void Shutdown();
// Writes what waits; returns when it is written. For the last words before the process ends.
void Flush();
void SetLevel(Level level);
// Lines dropped since the start.
int64_t DroppedLines();

namespace internal {
extern std::atomic<int> level;
}

inline bool Enabled(Level level) {
  return static_cast<int>(level) >= internal::level.load(std::memory_order_relaxed);
}

void Write(Level level, std::string_view event, Fields fields);

inline void Debug(std::string_view event, Fields fields = {}) {
  if (Enabled(Level::kDebug)) Write(Level::kDebug, event, fields);
}
inline void Info(std::string_view event, Fields fields = {}) {
  if (Enabled(Level::kInfo)) Write(Level::kInfo, event, fields);
}
inline void Warning(std::string_view event, Fields fields = {}) {
  if (Enabled(Level::kWarning)) Write(Level::kWarning, event, fields);
}
inline void Error(std::string_view event, Fields fields = {}) {
  if (Enabled(Level::kError)) Write(Level::kError, event, fields);
}

// Collects every line, audit lines too, instead of writing it, for tests. One at a time.
class Capture {
 public:
  explicit Capture(Level level = Level::kDebug);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  std::vector<std::string> lines() const;

 private:
  Level before_;
};

}  // namespace covet::log
