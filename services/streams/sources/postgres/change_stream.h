#pragma once

#include <memory>

#include "common/base/clock.h"
#include "common/postgres/connection.h"
#include "services/streams/domain/source.h"
#include "services/streams/sources/postgres/slot.h"

namespace covet::streams::postgres {

// Every change of a publication's tables, read from a replication slot on a thread of its own while
// it runs (change_record.h, slot.h). PostgreSQL keeps what is not in the log yet.
std::shared_ptr<Source> MakeChangeSource(config::v1::DatabaseConfig database, SlotOptions options,
                                         const Clock& clock);

}  // namespace covet::streams::postgres
