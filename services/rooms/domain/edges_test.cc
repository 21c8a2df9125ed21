#include "services/rooms/domain/edges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace covet::rooms {
namespace {

using testing::UnorderedElementsAre;

std::shared_ptr<const common::v1::Identity> Identity(const std::string& user_id,
                                                     const std::string& session_id) {
  auto identity = std::make_shared<common::v1::Identity>();
  identity->set_user_id(user_id);
  identity->set_session_id(session_id);
  return identity;
}

class NoWriter final : public LinkWriter {
 public:
  void Wake() override {}
};

TEST(EdgeRegistryTest, AnIncarnationIsOneEdge) {
  EdgeRegistry edges;
  Edge& edge = edges.GetOrAdd("i1");
  EXPECT_EQ(&edges.GetOrAdd("i1"), &edge);
  EXPECT_NE(&edges.GetOrAdd("i2"), &edge);
  EXPECT_FALSE(edge.connected());
  EXPECT_EQ(edges.edges().size(), 2u);
}

TEST(EdgeRegistryTest, ANewLinkReplacesTheOld) {
  EdgeRegistry edges;
  NoWriter writer;
  Edge& edge = edges.GetOrAdd("i1");
  edges.BindLink(edge, 1, &writer, 100);
  edge.link->AddBeat();
  EXPECT_EQ(edges.FindByLink(1), &edge);
  edges.BindLink(edge, 2, &writer, 100);
  EXPECT_EQ(edges.FindByLink(1), nullptr);
  EXPECT_EQ(edges.FindByLink(2), &edge);
  EXPECT_TRUE(edge.link->empty());  // What waited for the old one is gone with it.
  edges.UnbindLink(edge);
  EXPECT_FALSE(edge.connected());
  EXPECT_EQ(edges.FindByLink(2), nullptr);
  edges.UnbindLink(edge);  // Nothing is left to unbind.
}

TEST(EdgeRegistryTest, SessionsAreFoundByIdAndUser) {
  EdgeRegistry edges;
  Edge& one = edges.GetOrAdd("i1");
  Edge& two = edges.GetOrAdd("i2");
  Session& a = edges.AddSession(one, Identity("u", "a"), 5);
  Session& b = edges.AddSession(two, Identity("u", "b"), 6);
  edges.AddSession(two, Identity("v", "c"), 7);
  EXPECT_EQ(edges.FindSession("a"), &a);
  EXPECT_EQ(a.edge, &one);
  EXPECT_EQ(a.connected_ms, 5);
  EXPECT_EQ(edges.FindSession("x"), nullptr);
  EXPECT_EQ(edges.SessionsOf("x"), nullptr);
  EXPECT_THAT(*edges.SessionsOf("u"), UnorderedElementsAre(&a, &b));
  edges.RemoveSession(a);
  EXPECT_EQ(edges.FindSession("a"), nullptr);
  EXPECT_THAT(*edges.SessionsOf("u"), UnorderedElementsAre(&b));
  EXPECT_TRUE(one.sessions.empty());
  edges.RemoveSession(b);
  EXPECT_EQ(edges.SessionsOf("u"), nullptr);
}

TEST(EdgeRegistryTest, AnEdgeGoesWithItsSessionsAndItsLink) {
  EdgeRegistry edges;
  NoWriter writer;
  Edge& edge = edges.GetOrAdd("i1");
  edges.BindLink(edge, 1, &writer, 100);
  edges.AddSession(edge, Identity("u", "a"), 0);
  edges.AddSession(edge, Identity("u", "b"), 0);
  edges.AddSession(edges.GetOrAdd("i2"), Identity("v", "c"), 0);
  edges.Remove("i1");
  edges.Remove("unknown");
  EXPECT_EQ(edges.FindByLink(1), nullptr);
  EXPECT_EQ(edges.SessionsOf("u"), nullptr);
  EXPECT_EQ(edges.sessions().size(), 1u);
  EXPECT_EQ(edges.edges().size(), 1u);
}

TEST(SessionTest, KnowsItsRooms) {
  Session session;
  session.rooms = {{"a", false}, {"b", true}};
  ASSERT_NE(session.Find("b"), nullptr);
  EXPECT_TRUE(session.Find("b")->metrics);
  EXPECT_EQ(session.Find("c"), nullptr);
}

}  // namespace
}  // namespace covet::rooms
