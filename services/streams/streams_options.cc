#include "services/streams/streams_options.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "services/streams/domain/names.h"

namespace covet::streams {
namespace {

using config::Millis;

eventlog::Retention RetentionOf(const rooms::v1::Retention& own,
                                const rooms::v1::Retention& otherwise) {
  const auto pick = [](int64_t value, int64_t fallback) { return value > 0 ? value : fallback; };
  return {pick(Millis(own.max_age()), Millis(otherwise.max_age())),
          pick(own.max_count(), otherwise.max_count()),
          pick(own.max_bytes(), otherwise.max_bytes())};
}

// Equal messages have equal bytes, whatever the order of their maps.
std::string CanonicalBytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream output(&bytes);
  google::protobuf::io::CodedOutputStream coded(&output);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

StreamsOptions OptionsFrom(const config::v1::Config& config) {
  StreamsOptions options;
  // Half of what the log takes, so that the log itself never has to refuse.
  options.max_inflight_bytes = config.storage().queue_bytes() / 2;
  options.total_cache_bytes = static_cast<size_t>(config.storage().cache_bytes());
  return options;
}

absl::StatusOr<std::vector<ResourceDefinition>> DefinitionsFrom(const config::v1::Config& config,
                                                                const SourceTools& tools) {
  std::vector<ResourceDefinition> definitions;
  for (const config::v1::StreamResourceConfig& resource : config.streams().resources()) {
    const std::optional<v1::StreamType> type = ParseStreamType(resource.type());
    if (!type) {
      return absl::InvalidArgumentError(
          absl::StrCat("streams.resources: `", resource.type(),
                       "` is not one of metrics, logs, events and database_changes"));
    }
    ResourceDefinition& definition = definitions.emplace_back();
    definition.type = *type;
    definition.id = resource.id();
    definition.description = resource.description();
    definition.retention = RetentionOf(resource.retention(), config.streams().default_retention());
    definition.memory =
        resource.durability() == rooms::v1::DURABILITY_MEMORY || resource.has_backend_stream();
    absl::StatusOr<std::shared_ptr<Source>> source = MakeSource(config, resource, tools);
    if (!source.ok()) return source.status();
    definition.source = *std::move(source);
    config::v1::StreamResourceConfig of_source = resource;
    of_source.clear_description();
    of_source.clear_retention();
    definition.source_config = CanonicalBytes(of_source);
  }
  return definitions;
}

}  // namespace covet::streams
