#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/proto_time.h"
#include "covet/config/v1/config.pb.h"

// Reading what a loaded configuration says. Loading is in loader.h.
namespace covet::config {

using v1::Config;

// A configuration of which every field has its default.
Config DefaultConfig();

// Every role there is, in the order in which they start: services, then the edge.
const std::vector<std::string>& AllRoles();
// The roles that this process runs, in that order.
std::vector<std::string> RolesOf(const Config& config);
bool RunsRole(const Config& config, std::string_view role);
// Whether nothing of the deployment runs elsewhere: the target is `all`, or names every role.
bool RunsEverything(const Config& config);

using covet::Millis;
// Rounded down; a Duration of the configuration always fits.
int64_t Micros(const google::protobuf::Duration& duration);

// Bytes that queues of this process may hold: memory.budget_bytes, or half of what the cgroup or
// else the machine has.
int64_t MemoryBudget(const Config& config);

// What the secret is, without one newline at a file's end. INVALID_ARGUMENT if no source is set,
// NOT_FOUND if the environment or the file lacks it or it is empty. The error never holds the
// secret.
absl::StatusOr<std::string> ResolveSecret(const v1::Secret& secret);

}  // namespace covet::config
