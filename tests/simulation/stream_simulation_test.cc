#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "common/logging/log.h"
#include "tests/simulation/seeds.h"
#include "tests/simulation/stream_world.h"

namespace covet::sim {
namespace {

TEST(StreamSimulationTest, EveryReaderSeesItsStreamInOrderCompleteOrToldAndOnce) {
  const Seeds seeds(1'000);
  const log::Capture quiet;
  StreamWorld::Statistics total;
  for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    StreamWorld world(seed);
    const std::string failure = world.Run();
    ASSERT_EQ(failure, "") << "seed " << seed;
    const StreamWorld::Statistics& run = world.statistics();
    total.frames += run.frames;
    total.records += run.records;
    total.dropped_told += run.dropped_told;
    total.recovered += run.recovered;
    total.not_recovered += run.not_recovered;
    total.resets += run.resets;
    total.reopens += run.reopens;
    total.edge_kills += run.edge_kills;
    total.restarts += run.restarts;
    total.refused += run.refused;
  }
  std::printf(
      "%lu seeds: %ld frames, %ld records, %ld told as dropped, %ld recovered, %ld not, %ld "
      "resets, %ld upstreams went on, %ld services restarted, %ld edges killed, %ld refused\n",
      seeds.count, total.frames, total.records, total.dropped_told, total.recovered,
      total.not_recovered, total.resets, total.reopens, total.restarts, total.edge_kills,
      total.refused);
  if (seeds.count < 100) return;
  // A story in which nothing happens proves nothing.
  EXPECT_GT(total.records, 0);
  EXPECT_GT(total.dropped_told, 0);
  EXPECT_GT(total.recovered, 0);
  EXPECT_GT(total.not_recovered, 0);
  EXPECT_GT(total.resets, 0);
  EXPECT_GT(total.reopens, 0);
  EXPECT_GT(total.restarts, 0);
  EXPECT_GT(total.edge_kills, 0);
}

}  // namespace
}  // namespace covet::sim
