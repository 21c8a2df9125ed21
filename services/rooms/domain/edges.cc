#include "services/rooms/domain/edges.h"

#include <algorithm>
#include <utility>

namespace covet::rooms {

Session::Membership* Session::Find(std::string_view room_id) {
  const auto it = std::find_if(rooms.begin(), rooms.end(),
                               [&](const Membership& room) { return room.room_id == room_id; });
  return it == rooms.end() ? nullptr : &*it;
}

Edge& EdgeRegistry::GetOrAdd(const std::string& incarnation) {
  auto& edge = edges_[incarnation];
  if (edge == nullptr) {
    edge = std::make_unique<Edge>();
    edge->incarnation = incarnation;
  }
  return *edge;
}

Edge* EdgeRegistry::FindByLink(uint64_t link_id) {
  const auto it = by_link_.find(link_id);
  return it == by_link_.end() ? nullptr : it->second;
}

void EdgeRegistry::BindLink(Edge& edge, uint64_t link_id, LinkWriter* writer,
                            int64_t credit_bytes) {
  UnbindLink(edge);
  edge.link = std::make_unique<OwnerLink>(credit_bytes);
  edge.link_id = link_id;
  edge.writer = writer;
  by_link_[link_id] = &edge;
}

void EdgeRegistry::UnbindLink(Edge& edge) {
  if (!edge.connected()) return;
  by_link_.erase(edge.link_id);
  edge.link.reset();
  edge.writer = nullptr;
}

void EdgeRegistry::Remove(const std::string& incarnation) {
  const auto it = edges_.find(incarnation);
  if (it == edges_.end()) return;
  UnbindLink(*it->second);
  while (!it->second->sessions.empty()) RemoveSession(*it->second->sessions.begin()->second);
  edges_.erase(it);
}

Session& EdgeRegistry::AddSession(Edge& edge, std::shared_ptr<const common::v1::Identity> identity,
                                  int64_t connected_ms) {
  const std::string& id = identity->session_id();
  auto session = std::make_unique<Session>();
  session->identity = std::move(identity);
  session->connected_ms = connected_ms;
  session->edge = &edge;
  Session& added = *session;
  by_id_[id] = &added;
  by_user_[added.user_id()].insert(&added);
  edge.sessions[id] = std::move(session);
  return added;
}

void EdgeRegistry::RemoveSession(Session& session) {
  const auto user = by_user_.find(session.user_id());
  if (user != by_user_.end()) {
    user->second.erase(&session);
    if (user->second.empty()) by_user_.erase(user);
  }
  by_id_.erase(session.id());
  const std::string id = session.id();
  session.edge->sessions.erase(id);
}

Session* EdgeRegistry::FindSession(const std::string& session_id) {
  const auto it = by_id_.find(session_id);
  return it == by_id_.end() ? nullptr : it->second;
}

const EdgeRegistry::Sessions* EdgeRegistry::SessionsOf(const std::string& user_id) const {
  const auto it = by_user_.find(user_id);
  return it == by_user_.end() ? nullptr : &it->second;
}

}  // namespace covet::rooms
