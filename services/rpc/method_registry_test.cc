#include "services/rpc/method_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/rpc/testing/held_method.h"

namespace covet::rpc {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

MethodPtr Make(const std::string& name, const std::string& grpc, const std::string& backend) {
  return std::make_shared<HeldMethod>(name, grpc, backend, nullptr);
}

TEST(MethodRegistryTest, FindsByEitherName) {
  std::vector<NameClash> clashes;
  const MethodRegistry registry({Make("a.get", "x.A/Get", "one"), Make("", "x.B/Get", "one")}, {},
                                &clashes);
  EXPECT_THAT(clashes, IsEmpty());
  ASSERT_NE(registry.Find("a.get"), nullptr);
  EXPECT_EQ(*registry.Find("a.get"), *registry.Find("x.A/Get"));
  EXPECT_NE(registry.Find("x.B/Get"), nullptr);
  EXPECT_EQ(registry.Find(""), nullptr);
  EXPECT_EQ(registry.Find("a.Get"), nullptr);
  EXPECT_THAT(registry.methods(), SizeIs(2));
  EXPECT_EQ(registry.methods().begin()->first, "a.get");
}

TEST(MethodRegistryTest, ANameStaysWithWhoHadItFirst) {
  std::vector<NameClash> clashes;
  const MethodRegistry registry({Make("a.get", "x.A/Get", "one"), Make("a.get", "y.A/Get", "two")},
                                {}, &clashes);
  ASSERT_THAT(clashes, SizeIs(1));
  EXPECT_EQ(clashes[0].name, "a.get");
  EXPECT_EQ(clashes[0].kept, "one");
  EXPECT_EQ(clashes[0].refused, "two");
  EXPECT_EQ((*registry.Find("a.get"))->backend, "one");
  // Its other name still works, and is how it is listed.
  EXPECT_EQ((*registry.Find("y.A/Get"))->backend, "two");
  EXPECT_TRUE(registry.methods().contains("y.A/Get"));
}

TEST(MethodRegistryTest, TellsWhichBackendANameAwaits) {
  std::vector<NameClash> clashes;
  const MethodRegistry registry({Make("a.get", "x.A/Get", "one")}, {{"two", "y.B/"}, {"two", "b."}},
                                &clashes);
  ASSERT_NE(registry.Awaited("b.get"), nullptr);
  EXPECT_EQ(*registry.Awaited("b.get"), "two");
  EXPECT_NE(registry.Awaited("y.B/Get"), nullptr);
  EXPECT_EQ(registry.Awaited("a.other"), nullptr);
  EXPECT_EQ(registry.Awaited("b"), nullptr);
}

}  // namespace
}  // namespace covet::rpc
