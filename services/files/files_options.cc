#include "services/files/files_options.h"

#include "common/config/config.h"

namespace covet::files {
namespace {

FileLimits LimitsFrom(const config::v1::FileLimitsConfig& config) {
  return {config.max_file_bytes(),
          config.max_files(),
          config.max_total_bytes(),
          config.max_uploads(),
          {config.types().begin(), config.types().end()}};
}

}  // namespace

FilesOptions OptionsFrom(const config::v1::Config& config) {
  using config::Millis;
  const config::v1::FilesConfig& files = config.files();
  FilesOptions options;
  options.public_url = files.public_url();
  while (options.public_url.ends_with('/')) options.public_url.pop_back();
  options.url_ttl_ms = Millis(files.url_ttl());
  options.upload_expiry_ms = Millis(files.upload_expiry());
  options.remember_ms = Millis(files.remember_uploads());
  options.retention_ms = Millis(files.retention());
  options.window_bytes = files.window_bytes();
  options.max_chunk_bytes = config.limits().chunk_bytes();
  options.json_depth = config.limits().json_depth();
  const config::v1::Rate& rate = config.limits().uploads();
  options.uploads =
      config.limits().unlimited() || rate.count() == 0
          ? limits::Rate::Unlimited()
          : limits::Rate::Of(rate.count(), absl::Microseconds(config::Micros(rate.per())));
  options.default_limits = LimitsFrom(files.default_limits());
  for (const auto& [role, limits] : files.role_limits()) {
    options.role_limits.emplace(role, LimitsFrom(limits));
  }
  return options;
}

}  // namespace covet::files
