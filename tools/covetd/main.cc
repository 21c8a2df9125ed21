// covetd: every role of Covet in one binary. This file reads the command line and hands over to
// RunProcess.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/backends/descriptor_set.h"
#include "common/config/loader.h"
#include "common/config/printer.h"
#include "common/server/process.h"
#include "common/server/ready_probe.h"
#include "tools/covetd/flags.h"
#include "tools/covetd/roles.h"
#include "tools/covetd/summary.h"

int main(int argc, char** argv) {
  using namespace covet;  // NOLINT(google-build-using-namespace): the program's one function.
  const auto flags = covetd::ParseFlags({argv + 1, argv + argc});
  if (!flags.ok()) {
    std::fprintf(stderr, "covetd: %s\n%s", std::string(flags.status().message()).c_str(),
                 covetd::kUsage);
    return 2;
  }
  if (flags->help) {
    std::fputs(covetd::kUsage, stdout);
    return 0;
  }
  if (flags->version) {
    std::printf("covetd %s\n", COVET_VERSION);
    return 0;
  }
  server::ProcessOptions options;
  options.sources.file = flags->config;
  if (const char* file = std::getenv("COVET_CONFIG"); file != nullptr && flags->config.empty()) {
    options.sources.file = file;
  }
  options.sources.environment = config::ProcessEnvironment();
  options.sources.sets = flags->sets;
  options.sources.targets = flags->targets;
  options.sources.check = backends::CheckDescriptorSets;
  const auto config = config::Load(options.sources);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
    return 1;
  }
  if (flags->print_config) {
    std::fputs(config::PrintYaml(*config).c_str(), stdout);
    return 0;
  }
  if (flags->check_config) {
    std::fputs(covetd::Summary(*config).c_str(), stdout);
    return 0;
  }
  if (flags->healthcheck) {
    const absl::Status ready = server::ProbeReady(config->admin().listen());
    std::fprintf(stderr, "%s\n", ready.ok() ? "ready" : std::string(ready.message()).c_str());
    return ready.ok() ? 0 : 1;
  }
  options.config = std::make_shared<const config::v1::Config>(*config);
  options.roles = covetd::Roles();
  options.version = COVET_VERSION;
  return server::RunProcess(options);
}
