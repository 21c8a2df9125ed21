#include "common/eventlog/read_op.h"

namespace covet::eventlog {
namespace {

auto Ask(LogSource& source, const HeadOp& call) { return source.Head(call.log_id); }
auto Ask(LogSource& source, const ReadAfterOp& call) {
  return source.Read(call.log_id, call.after, call.limit, call.max_bytes);
}
auto Ask(LogSource& source, const ReadSinceOp& call) {
  return source.ReadSince(call.log_id, call.since_ms, call.limit);
}
auto Ask(LogSource& source, const ScanOp& call) {
  return source.Scan(call.prefix, call.after_key, call.limit);
}

int64_t CountRecords(const absl::StatusOr<ReadResult>& result) {
  return result.ok() ? static_cast<int64_t>(result->records.size()) : 0;
}
template <typename Other>
int64_t CountRecords(const absl::StatusOr<Other>&) {
  return 0;
}

}  // namespace

int64_t RunRead(const ReadOp& op, LogSource& source) {
  return std::visit(
      [&](const auto& call) -> int64_t {
        if (!op.refusal.ok()) {
          call.done(op.refusal);
          return 0;
        }
        auto result = Ask(source, call);
        const int64_t records = CountRecords(result);
        call.done(std::move(result));
        return records;
      },
      op.call);
}

}  // namespace covet::eventlog
