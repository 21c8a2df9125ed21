#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "common/policy/policy.h"

namespace covet::policy {
namespace {

covet::common::v1::Grant MakeGrant(const char* action, const std::string& pattern) {
  covet::common::v1::Grant grant;
  grant.set_action(action);
  grant.set_pattern(pattern);
  return grant;
}

// A publish by a user of two roles, of `range` patterns in the second, the last of which grants it.
void BM_AllowsByRole(benchmark::State& state) {
  std::vector<Role> roles = {{"viewer", {MakeGrant("room:read", "*")}}, {"member", {}}};
  for (int i = 1; i < state.range(0); ++i) {
    roles[1].grants.push_back(MakeGrant("room:write", "team_" + std::to_string(i) + "_*"));
  }
  roles[1].grants.push_back(MakeGrant("room:write", "project_*"));
  const Policy policy = *Policy::Compile(roles);
  covet::common::v1::Identity caller;
  caller.set_user_id("user_123");
  caller.add_roles("viewer");
  caller.add_roles("member");
  for (auto _ : state) {
    benchmark::DoNotOptimize(policy.Allows(caller, Action::kRoomWrite, "project_123"));
  }
}
BENCHMARK(BM_AllowsByRole)->Arg(1)->Arg(8)->Arg(64);

// By the last of `range` scopes of the credential.
void BM_AllowsByScope(benchmark::State& state) {
  const Policy policy;
  covet::common::v1::Identity caller;
  for (int i = 1; i < state.range(0); ++i) *caller.add_scopes() = MakeGrant("room:read", "team_*");
  *caller.add_scopes() = MakeGrant("room:write", "project_*");
  for (auto _ : state) {
    benchmark::DoNotOptimize(policy.Allows(caller, Action::kRoomWrite, "project_123"));
  }
}
BENCHMARK(BM_AllowsByScope)->Arg(1)->Arg(8);

}  // namespace
}  // namespace covet::policy
