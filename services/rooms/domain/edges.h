#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "covet/common/v1/common.pb.h"
#include "services/rooms/domain/owner_link.h"

namespace covet::rooms {

// Wakes whoever writes to a link: something waits in TakeFrame. Called on the owner's executor.
class LinkWriter {
 public:
  virtual ~LinkWriter() = default;
  virtual void Wake() = 0;
};

// A WebSocket session as its edge told of it.
struct Session {
  std::shared_ptr<const common::v1::Identity> identity;
  int64_t connected_ms = 0;
  // The rooms it is in, and whether it wants their metrics. Few; a flat list.
  struct Membership {
    std::string room_id;
    bool metrics = false;
  };
  std::vector<Membership> rooms;
  struct Edge* edge = nullptr;
  // How far it has been sent what waits in its user's inbox, and whether more does.
  int64_t notified = 0;
  bool more_notifications = false;

  const std::string& id() const { return identity->session_id(); }
  const std::string& user_id() const { return identity->user_id(); }
  Membership* Find(std::string_view room_id);
};

// An edge's incarnation with its lease: it lives as long as its link beats.
struct Edge {
  std::string incarnation;
  std::string name;
  int64_t last_beat_ms = 0;  // Steady clock.
  // Null while the edge is away. Replaced as a whole by the next link.
  std::unique_ptr<OwnerLink> link;
  uint64_t link_id = 0;
  LinkWriter* writer = nullptr;
  absl::btree_map<std::string, std::unique_ptr<Session>> sessions;

  bool connected() const { return link != nullptr; }
};

// Every edge, and every session by id and by user. What is walked through is ordered by ids, so
// that a run can be repeated. Not thread-safe.
class EdgeRegistry {
 public:
  struct ById {
    bool operator()(const Session* a, const Session* b) const { return a->id() < b->id(); }
  };
  using Sessions = absl::btree_set<Session*, ById>;

  // The incarnation's entry, made if it is new.
  Edge& GetOrAdd(const std::string& incarnation);
  Edge* FindByLink(uint64_t link_id);
  void BindLink(Edge& edge, uint64_t link_id, LinkWriter* writer, int64_t credit_bytes);
  void UnbindLink(Edge& edge);
  void Remove(const std::string& incarnation);

  Session& AddSession(Edge& edge, std::shared_ptr<const common::v1::Identity> identity,
                      int64_t connected_ms);
  void RemoveSession(Session& session);
  Session* FindSession(const std::string& session_id);
  const Sessions* SessionsOf(const std::string& user_id) const;

  const absl::btree_map<std::string, std::unique_ptr<Edge>>& edges() const { return edges_; }
  // By id, for pages.
  const std::map<std::string, Session*, std::less<>>& sessions() const { return by_id_; }

 private:
  absl::btree_map<std::string, std::unique_ptr<Edge>> edges_;
  absl::flat_hash_map<uint64_t, Edge*> by_link_;
  std::map<std::string, Session*, std::less<>> by_id_;
  absl::flat_hash_map<std::string, Sessions> by_user_;
};

}  // namespace covet::rooms
