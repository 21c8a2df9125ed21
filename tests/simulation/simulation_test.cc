#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "tests/simulation/world.h"

namespace covet::sim {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

// COVET_SIM_SEED=n runs one seed again; COVET_SIM_SEEDS=n sets how many are tried.
TEST(SimulationTest, EveryMemberSeesItsRoomAndEveryUserItsNotifications) {
  const uint64_t first = FromEnvironment("COVET_SIM_SEED", 1);
  const uint64_t count =
      std::getenv("COVET_SIM_SEED") != nullptr ? 1 : FromEnvironment("COVET_SIM_SEEDS", 1'000);
  World::Statistics total;
  int64_t notified = 0;
  int64_t notified_again = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    World world(seed);
    const std::string failure = world.Run();
    ASSERT_EQ(failure, "") << "seed " << seed;
    const World::Statistics& run = world.statistics();
    total.received += run.received;
    total.acknowledged += run.acknowledged;
    total.replayed += run.replayed;
    total.gaps_told += run.gaps_told;
    total.resets += run.resets;
    total.dropped_told += run.dropped_told;
    total.owner_kills += run.owner_kills;
    total.edge_kills += run.edge_kills;
    total.cuts += run.cuts;
    total.clock_jumps += run.clock_jumps;
    notified += world.notifications().received();
    notified_again += world.notifications().repeated();
  }
  RecordProperty("received", std::to_string(total.received));
  std::printf(
      "%lu seeds: %ld received, %ld acknowledged, %ld replayed, %ld gaps told, %ld resets, %ld "
      "told as dropped, %ld owners killed, %ld edges killed, %ld links cut, %ld clock jumps; %ld "
      "notified, %ld of them again\n",
      count, total.received, total.acknowledged, total.replayed, total.gaps_told, total.resets,
      total.dropped_told, total.owner_kills, total.edge_kills, total.cuts, total.clock_jumps,
      notified, notified_again);
  if (count < 100) return;
  // A story in which nothing happens proves nothing.
  EXPECT_GT(total.received, 0);
  EXPECT_GT(total.replayed, 0);
  EXPECT_GT(total.gaps_told, 0);
  EXPECT_GT(total.resets, 0);
  EXPECT_GT(total.owner_kills, 0);
  EXPECT_GT(total.edge_kills, 0);
  EXPECT_GT(total.cuts, 0);
  EXPECT_GT(total.clock_jumps, 0);
  EXPECT_GT(notified, 0);
  EXPECT_GT(notified_again, 0);
}

}  // namespace
}  // namespace covet::sim
