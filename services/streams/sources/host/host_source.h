#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "services/streams/domain/source.h"

namespace covet::streams::host {

// Appends more members to a record, e.g. of a database on this machine, and says what is wrong
// where they are missing. Called on the source's thread; must return soon. One for each run.
using MoreMembers = std::function<absl::Status(std::string* json)>;

// This machine's measurements from /proc (host_sample.h), one record each interval, from a thread
// of its own while it runs.
std::shared_ptr<Source> MakeHostSource(int64_t interval_ms, const Clock& clock,
                                       std::function<MoreMembers()> more = nullptr);

}  // namespace covet::streams::host
