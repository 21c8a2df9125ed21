#pragma once

#include <memory>

#include "common/backends/backend.h"
#include "common/base/clock.h"
#include "covet/config/v1/services.pb.h"
#include "services/streams/domain/source.h"

namespace covet::streams::backend {

// The messages of a backend's server-streaming method, one record each; a message that is no JSON
// object is its `value`. A call is made while someone reads, for each user or each filter apart
// where configuration says so. It ends as UNAVAILABLE when the backend ends it. `backends`
// outlives the source.
std::shared_ptr<Source> MakeBackendSource(config::v1::BackendStreamSourceConfig config,
                                          backends::Backends& backends, const Clock& clock);

}  // namespace covet::streams::backend
