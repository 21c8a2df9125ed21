#include "services/streams/source_factory.h"

#include "common/config/config.h"
#include "services/streams/sources/host/host_source.h"

namespace covet::streams {

absl::StatusOr<std::shared_ptr<Source>> MakeSource(const config::v1::Config&,
                                                   const config::v1::StreamResourceConfig& resource,
                                                   const SourceTools& tools) {
  switch (resource.source_case()) {
    case config::v1::StreamResourceConfig::kHost:
      return host::MakeHostSource(config::Millis(resource.host().interval()), tools.clock);
    case config::v1::StreamResourceConfig::SOURCE_NOT_SET:
      break;
  }
  return nullptr;
}

}  // namespace covet::streams
