#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/logging/log.h"
#include "tests/simulation/seeds.h"
#include "tests/simulation/stream_world.h"
#include "tests/simulation/world.h"

namespace covet::sim {
namespace {

// What happened in the runs of some seeds, one digest a seed.
template <typename AnyWorld>
std::string Digests() {
  const log::Capture quiet;
  std::string digests;
  const Seeds seeds(20);
  for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    AnyWorld world(seed);
    world.Run();
    absl::StrAppend(&digests, absl::StrFormat("%d:%016x ", seed, world.kernel().digest()));
  }
  return digests;
}

// Where memory lies, and with it the order of whatever is kept by hash or by pointer, differs from
// run to run, and from process to process.
template <typename AnyWorld>
void ExpectSameAgain() {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // The child is the program, started anew.
  const std::string digests = Digests<AnyWorld>();
  EXPECT_EQ(Digests<AnyWorld>(), digests);
  EXPECT_EXIT(
      {
        std::fputs(Digests<AnyWorld>().c_str(), stderr);
        std::exit(0);
      },
      testing::ExitedWithCode(0), testing::HasSubstr(digests));
}

TEST(ReplayTest, ASeedOfRoomsGivesTheSameRunAgain) { ExpectSameAgain<World>(); }
TEST(ReplayTest, ASeedOfStreamsGivesTheSameRunAgain) { ExpectSameAgain<StreamWorld>(); }

}  // namespace
}  // namespace covet::sim
