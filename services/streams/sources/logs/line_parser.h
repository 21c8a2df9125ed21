#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/payload/json_scanner.h"
#include "covet/streams/v1/streams.pb.h"

namespace covet::streams::logs {

// What a line says of itself, for RecordFields.
struct ParsedLine {
  std::string json;  // The record.
  std::optional<int64_t> timestamp_ms;
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
};

// Makes records of log lines.
//
// A line that is a JSON object is the record. Its severity is read from `severity`, `level`, `lvl`,
// `log.level`, `loglevel`, `levelname`, `severity_text` (names in any case, or the numbers of
// pino and bunyan), its time from `timestamp`, `@timestamp`, `time`, `ts`, `asctime` (RFC 3339 and
// alike, or seconds, milliseconds, microseconds or nanoseconds since 1970). A `severity` or
// `timestamp` of the line's own in another spelling is replaced by ours; all else stays as it is.
//
// Any other line is the `message` of a record, with what is not UTF-8 replaced. Its time is read
// from its first part: RFC 3339 and ISO 8601 alike, syslog (RFC 3164 and 5424), the common log
// format, those of nginx, Apache and glog. Its severity from a word near its start that names one:
// in capitals, in brackets, or after `level=`; or from syslog's priority, or glog's letter.
//
// Not thread-safe.
class LineParser {
 public:
  // `zone`: of times that name none. `max_record_bytes`: JSON lines that are larger become text.
  LineParser(absl::TimeZone zone, size_t max_record_bytes)
      : zone_(zone), max_record_bytes_(max_record_bytes) {}

  // `now_ms`: for times without a year. `truncated`: the line went on; the record says so. `file`
  // becomes a member if the record has none and it is not empty. Replaces what `out` holds.
  void Parse(std::string_view line, int64_t now_ms, bool truncated, std::string_view file,
             ParsedLine* out);

 private:
  bool ParseJson(std::string_view line, int64_t now_ms, std::string_view file, ParsedLine* out);
  void ParseText(std::string_view line, int64_t now_ms, ParsedLine* out) const;

  const absl::TimeZone zone_;
  const size_t max_record_bytes_;
  std::vector<payload::JsonMember> members_;
  std::string scratch_;
};

// A severity by any of its usual names, in any case; SEVERITY_UNSPECIFIED for other words.
v1::Severity SeverityOf(std::string_view word);

// A time at the very beginning of `text`, in one of the forms that LineParser knows; `size` is how
// many bytes of it were read.
std::optional<int64_t> TimeAtStart(std::string_view text, int64_t now_ms, absl::TimeZone zone,
                                   size_t* size);

}  // namespace covet::streams::logs
