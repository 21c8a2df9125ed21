#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tests/simulation/seeds.h"
#include "tests/simulation/world.h"

namespace covet::sim {
namespace {

TEST(SimulationTest, EveryMemberSeesItsRoomAndEveryUserItsNotifications) {
  const Seeds seeds(2'000);
  World::Statistics total;
  int64_t notified = 0;
  int64_t notified_again = 0;
  for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
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
      seeds.count, total.received, total.acknowledged, total.replayed, total.gaps_told,
      total.resets, total.dropped_told, total.owner_kills, total.edge_kills, total.cuts,
      total.clock_jumps, notified, notified_again);
  if (seeds.count < 100) return;
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
