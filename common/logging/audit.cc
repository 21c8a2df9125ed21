#include "common/logging/audit.h"

#include "common/base/clock.h"
#include "common/logging/backend.h"
#include "common/logging/json_line.h"

namespace covet::audit {

void Record(std::string_view event, log::Fields fields) {
  std::string line = log::LineHead(SystemClock().WallMillis(), "info", event);
  line.append(",\"audit\":true");
  log::internal::AppendTarget(&line);
  log::AppendFields(fields, &line);
  line.push_back('}');
  log::internal::EmitAudit(std::move(line));
}

}  // namespace covet::audit
