// covet-token: tokens and API keys for a deployment's operator.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/auth/api_key.h"
#include "common/base/clock.h"
#include "common/config/config.h"
#include "common/config/loader.h"
#include "tools/token/flags.h"
#include "tools/token/mint.h"

namespace covet::token {
namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "covet-token: %s\n", std::string(status.message()).c_str());
  return EXIT_FAILURE;
}

absl::StatusOr<config::v1::JwtConfig> LoadJwtConfig(const Flags& flags) {
  if (!flags.secret_file.empty()) {
    config::v1::JwtConfig jwt = config::DefaultConfig().auth().jwt();
    config::v1::JwtKeyConfig* key = jwt.add_keys();
    key->set_kid(flags.kid);
    key->set_algorithm(config::v1::JWT_ALGORITHM_HS256);
    key->mutable_secret()->set_file(flags.secret_file);
    return jwt;
  }
  config::Sources sources;
  sources.file = flags.config;
  if (sources.file.empty()) {
    const char* from_environment = std::getenv("COVET_CONFIG");
    sources.file = from_environment != nullptr ? from_environment : "deploy/config/demo.yaml";
  }
  sources.environment = config::ProcessEnvironment();
  const auto config = config::Load(sources);
  if (!config.ok()) return config.status();
  return config->auth().jwt();
}

int PrintToken(const Flags& flags) {
  const auto jwt = LoadJwtConfig(flags);
  if (!jwt.ok()) return Fail(jwt.status());
  const auto token =
      Mint(*jwt, {flags.user, flags.roles, flags.scopes, flags.ttl, flags.kid}, SystemClock());
  if (!token.ok()) return Fail(token.status());
  std::printf("%s\n", token->c_str());
  return EXIT_SUCCESS;
}

int PrintApiKey(const Flags& flags) {
  if (flags.id.find('.') != std::string::npos) {
    return Fail(absl::InvalidArgumentError("--id must hold no dot"));
  }
  const auth::NewApiKey key = auth::GenerateApiKey(flags.id);
  std::printf("key: %s\n- {id: %s, sha256: %s, user_id: %s, roles: [%s]}\n", key.key.c_str(),
              flags.id.c_str(), key.sha256_hex.c_str(), flags.user.c_str(),
              absl::StrJoin(flags.roles, ", ").c_str());
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace covet::token

int main(int argc, char** argv) {
  const auto flags = covet::token::ParseFlags({argv + 1, argv + argc});
  if (!flags.ok()) return covet::token::Fail(flags.status());
  if (flags->help) {
    std::fputs(covet::token::kUsage, stdout);
    return EXIT_SUCCESS;
  }
  return flags->api_key ? covet::token::PrintApiKey(*flags) : covet::token::PrintToken(*flags);
}
