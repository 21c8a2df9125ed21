#include "edge/role/edge_metrics.h"

#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace covet::edge {
namespace {

using Workers = std::vector<std::unique_ptr<EdgeWorker>>;
using metrics::Labels;

class Registrar {
 public:
  Registrar(metrics::Registry& registry, TransportServer& server, const Workers& workers)
      : registry_(registry), server_(server), workers_(workers) {}

  void Gauge(const std::string& name, const std::string& help, std::function<double()> read,
             const Labels& labels = {}) {
    registrations_.push_back(registry_.AddCallbackGauge(name, help, labels, std::move(read)));
  }
  void Count(const std::string& name, const std::string& help, std::function<double()> read,
             const Labels& labels = {}) {
    registrations_.push_back(registry_.AddCallbackCounter(name, help, labels, std::move(read)));
  }

  // The sum over threads of one of the transport's counters.
  std::function<double()> Transport(Counter TransportCounters::*member) const {
    return [&server = server_, member] {
      uint64_t sum = 0;
      for (size_t i = 0; i < server.thread_count(); ++i) {
        sum += (server.thread(i).counters().*member).value();
      }
      return static_cast<double>(sum);
    };
  }
  // The sum over threads of what `counter(SessionCounters&)` yields.
  template <typename CounterOf>
  std::function<double()> Sessions(CounterOf counter) const {
    return [&workers = workers_, counter] {
      uint64_t sum = 0;
      for (const auto& worker : workers) sum += counter(worker->sessions.counters()).value();
      return static_cast<double>(sum);
    };
  }
  std::function<double()> Rooms(std::atomic<int64_t> EdgeWorker::*member) const {
    return [&workers = workers_, member] {
      int64_t sum = 0;
      for (const auto& worker : workers) sum += ((*worker).*member).load(std::memory_order_relaxed);
      return static_cast<double>(sum);
    };
  }

  std::function<double()> Streams(std::atomic<int64_t> StreamGauges::*member) const {
    return [&workers = workers_, member] {
      int64_t sum = 0;
      for (const auto& worker : workers) {
        sum += (worker->stream_counters.*member).load(std::memory_order_relaxed);
      }
      return static_cast<double>(sum);
    };
  }

  std::vector<metrics::CallbackRegistration> Take() { return std::move(registrations_); }

 private:
  metrics::Registry& registry_;
  TransportServer& server_;
  const Workers& workers_;
  std::vector<metrics::CallbackRegistration> registrations_;
};

void AddTransport(Registrar& add, TransportServer& server) {
  for (size_t i = 0; i < server.thread_count(); ++i) {
    add.Gauge("covet_edge_connections", "Open WebSocket connections, by edge thread.",
              [&counters = server.thread(i).counters()] {
                return static_cast<double>(counters.open_connections.value());
              },
              {{"thread", absl::StrCat(i)}});
  }
  add.Gauge("covet_edge_sockets", "Open sockets, HTTP and WebSocket.",
            add.Transport(&TransportCounters::open_sockets));
  add.Count("covet_edge_sockets_accepted_total", "Sockets accepted.",
            add.Transport(&TransportCounters::accepted_sockets));
  add.Count("covet_edge_http_requests_total", "HTTP requests answered without an upgrade.",
            add.Transport(&TransportCounters::http_requests));
  add.Count("covet_edge_handshake_failures_total",
            "Sockets that ended in TLS, the PROXY protocol or a bad or late request header.",
            add.Transport(&TransportCounters::handshake_failures));
  add.Count("covet_edge_upgrades_total", "WebSocket upgrades completed.",
            add.Transport(&TransportCounters::upgrades));
  add.Count("covet_edge_messages_received_total", "WebSocket messages from clients.",
            add.Transport(&TransportCounters::messages_in));
  add.Count("covet_edge_received_bytes_total", "Bytes from clients, as on the wire.",
            add.Transport(&TransportCounters::bytes_in));
  add.Count("covet_edge_messages_sent_total", "WebSocket messages handed to the kernel whole.",
            add.Transport(&TransportCounters::messages_out));
  add.Count("covet_edge_sent_bytes_total", "Bytes to clients, as on the wire.",
            add.Transport(&TransportCounters::bytes_out));
  add.Count("covet_edge_writes_total", "System calls that wrote to clients.",
            add.Transport(&TransportCounters::writes));
  add.Count("covet_edge_writes_blocked_total", "Writes that a client's socket took in part or not.",
            add.Transport(&TransportCounters::writes_blocked));
  add.Count("covet_edge_messages_dropped_total", "Messages dropped because a reader was slow.",
            add.Transport(&TransportCounters::messages_dropped));
}

void AddSessions(Registrar& add) {
  add.Gauge("covet_edge_sessions", "Open sessions: connections of authenticated users.",
            add.Sessions([](SessionCounters& c) -> Counter& { return c.open_sessions; }));
  add.Count("covet_edge_sessions_opened_total", "Sessions opened.",
            add.Sessions([](SessionCounters& c) -> Counter& { return c.opened; }));
  for (size_t i = 0; i < kRefusalNames.size(); ++i) {
    add.Count("covet_edge_connections_refused_total", "Connections refused, by reason.",
              add.Sessions([i](SessionCounters& c) -> Counter& { return c.refused[i]; }),
              {{"reason", std::string(kRefusalNames[i])}});
  }
  for (size_t i = 0; i <= kCountedCloses.size(); ++i) {
    const bool known = i < kCountedCloses.size();
    add.Count("covet_edge_connections_closed_total", "Connections that ended, by close code.",
              add.Sessions([i](SessionCounters& c) -> Counter& { return c.closed[i]; }),
              {{"code", known ? absl::StrCat(kCountedCloses[i]) : "other"}});
  }
  for (size_t i = 0; i < kRequestRules.size(); ++i) {
    add.Count("covet_edge_requests_total", "Well-formed client messages, by type.",
              add.Sessions([i](SessionCounters& c) -> Counter& { return c.requests[i]; }),
              {{"type", std::string(kRequestRules[i].type)}});
  }
  for (size_t i = 0; i <= kCountedErrors.size(); ++i) {
    const bool known = i < kCountedErrors.size();
    add.Count("covet_edge_errors_total", "Errors sent to clients, by code.",
              add.Sessions([i](SessionCounters& c) -> Counter& { return c.errors[i]; }),
              {{"code", known ? std::string(kCountedErrors[i]) : "other"}});
  }
  add.Count("covet_edge_notifications_total", "Notifications sent to sessions.",
            add.Sessions([](SessionCounters& c) -> Counter& { return c.notifications; }));
  add.Count(
      "covet_edge_notifications_acknowledged_total", "Notifications acknowledged.",
      add.Sessions([](SessionCounters& c) -> Counter& { return c.notifications_acknowledged; }),
      {{"by", "message"}});
  add.Count("covet_edge_notifications_acknowledged_total", "Notifications acknowledged.",
            add.Sessions([](SessionCounters& c) -> Counter& {
              return c.notifications_acknowledged_by_pong;
            }),
            {{"by", "pong"}});
  add.Count("covet_edge_reading_paused_total",
            "Times that a client was not read because too much of it was unanswered or unread.",
            add.Sessions([](SessionCounters& c) -> Counter& { return c.reading_paused; }));
  add.Count("covet_edge_abuse_closes_total", "Connections closed for repeated offences.",
            add.Sessions([](SessionCounters& c) -> Counter& { return c.abuse_closes; }));
  add.Count("covet_edge_memory_closes_total",
            "Slow readers closed because the memory for queues was spent.",
            add.Sessions([](SessionCounters& c) -> Counter& { return c.memory_closes; }));
}

void AddRooms(Registrar& add) {
  add.Gauge("covet_edge_rooms", "Rooms with members here, summed over edge threads.",
            add.Rooms(&EdgeWorker::open_rooms));
  add.Count("covet_edge_replays_total", "Replays of history or of what a client missed.",
            add.Rooms(&EdgeWorker::replays));
  add.Count("covet_edge_resumes_total", "Joins that resumed, by whether all was recovered.",
            add.Rooms(&EdgeWorker::recovered), {{"outcome", "recovered"}});
  add.Count("covet_edge_resumes_total", "Joins that resumed, by whether all was recovered.",
            add.Rooms(&EdgeWorker::not_recovered), {{"outcome", "not_recovered"}});
  add.Count("covet_edge_room_resets_total", "Memberships that ended because of a gap.",
            add.Rooms(&EdgeWorker::resets));
}

void AddStreams(Registrar& add, const StreamClient* client) {
  using Gauges = StreamGauges;
  add.Gauge("covet_edge_subscriptions", "Stream subscriptions of clients.",
            add.Streams(&Gauges::subscriptions));
  add.Gauge("covet_edge_subscription_groups",
            "Groups of subscriptions that share frames, summed over edge threads.",
            add.Streams(&Gauges::groups));
  add.Count("covet_edge_stream_frames_built_total", "Frames of streams encoded.",
            add.Streams(&Gauges::frames_built));
  add.Count("covet_edge_stream_frames_sent_total", "Frames of streams sent to clients.",
            add.Streams(&Gauges::frames_sent));
  add.Count("covet_edge_stream_records_sent_total", "Records in those frames.",
            add.Streams(&Gauges::records_sent));
  add.Count("covet_edge_stream_records_dropped_total",
            "Records that slow readers lost, and were told of.",
            add.Streams(&Gauges::records_dropped));
  add.Count("covet_edge_stream_replays_total",
            "Replays of a stream's history or of what a client missed.",
            add.Streams(&Gauges::replays));
  add.Count("covet_edge_stream_resumes_total",
            "Subscriptions that resumed, by whether all was recovered.",
            add.Streams(&Gauges::recovered), {{"outcome", "recovered"}});
  add.Count("covet_edge_stream_resumes_total",
            "Subscriptions that resumed, by whether all was recovered.",
            add.Streams(&Gauges::not_recovered), {{"outcome", "not_recovered"}});
  add.Count("covet_edge_subscription_resets_total", "Subscriptions that ended because of a gap.",
            add.Streams(&Gauges::resets));

  const auto read = [client](int64_t StreamClientCounters::*member) {
    return [client, member] {
      return client == nullptr ? 0.0 : static_cast<double>(client->counters().*member);
    };
  };
  add.Gauge("covet_edge_upstreams", "Upstream subscriptions to streams, live or not.",
            read(&StreamClientCounters::upstreams));
  add.Gauge("covet_edge_upstreams_live", "Upstream subscriptions that deliver.",
            read(&StreamClientCounters::live));
  add.Count("covet_edge_upstream_opens_total", "Upstream subscriptions begun.",
            read(&StreamClientCounters::opens));
  add.Count("covet_edge_upstream_reopens_total",
            "Times that an upstream subscription went on after a break.",
            read(&StreamClientCounters::reopens));
  add.Count("covet_edge_upstream_ends_total",
            "Upstream subscriptions that streams ended or that could not go on.",
            read(&StreamClientCounters::ended));
  add.Count("covet_edge_upstream_batches_total", "Batches from streams.",
            read(&StreamClientCounters::batches));
  add.Count("covet_edge_upstream_records_total", "Records in those batches.",
            read(&StreamClientCounters::records));
  add.Count("covet_edge_upstream_reads_total", "Pages of history asked of streams.",
            read(&StreamClientCounters::reads));
}

void AddLink(Registrar& add, const LinkClient& link) {
  add.Gauge("covet_edge_link_connected", "1 while the link to rooms is up, else 0.",
            [&link] { return link.connected() ? 1.0 : 0.0; });
  const auto count = [&](const std::string& name, const std::string& help,
                         int64_t LinkCounters::*member) {
    add.Count(name, help, [&link, member] { return static_cast<double>(link.counters().*member); });
  };
  count("covet_edge_link_connects_total", "Times that the link to rooms came up.",
        &LinkCounters::connects);
  count("covet_edge_link_requests_total", "Requests to rooms.", &LinkCounters::requests);
  count("covet_edge_link_requests_resent_total", "Requests repeated over a new link.",
        &LinkCounters::resent);
  count("covet_edge_link_request_timeouts_total", "Requests that rooms did not answer in time.",
        &LinkCounters::timeouts);
  count("covet_edge_link_requests_refused_total", "Requests refused because too many waited.",
        &LinkCounters::refused);
  count("covet_edge_link_frames_received_total", "Frames from rooms.", &LinkCounters::frames_in);
  count("covet_edge_link_items_received_total", "Events, replies and other items in those frames.",
        &LinkCounters::items_in);
}

}  // namespace

std::vector<metrics::CallbackRegistration> RegisterEdgeMetrics(
    metrics::Registry& registry, TransportServer& server, const SessionShared& shared,
    const LinkClient& link, const StreamClient* streams, const Workers& workers) {
  Registrar add(registry, server, workers);
  AddTransport(add, server);
  AddSessions(add);
  AddRooms(add);
  AddStreams(add, streams);
  AddLink(add, link);
  add.Gauge("covet_edge_queue_bytes", "Bytes that wait for slow readers.",
            [&shared] { return static_cast<double>(shared.memory.used()); });
  add.Gauge("covet_edge_queue_budget_bytes", "Bytes that may wait for slow readers.",
            [&shared] { return static_cast<double>(shared.memory.limit()); });
  add.Count(
      "covet_edge_limit_states_evicted_total",
      "States of rates and offences forgotten because there were too many.", [&shared] {
        return static_cast<double>(shared.attempts.evictions() + shared.rpc_calls.evictions());
      });
  return add.Take();
}

}  // namespace covet::edge
