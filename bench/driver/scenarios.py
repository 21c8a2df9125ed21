"""What covet-load measures: the shapes of load, the servers, and the figures that are shown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    load: tuple  # Options of covet-load.
    quick: tuple  # The options that --quick adds.
    targets: tuple  # Names; `floor` stands for the floor with as many threads as Covet's edge.
    columns: tuple  # (title, key of covet-load's result, format)


CPU = ("CPU µs/delivery", "server_cpu_us_per_delivery", "{:.2f}")
P50 = ("p50 ms", "latency_us_p50", "ms")
P99 = ("p99 ms", "latency_us_p99", "ms")
ACK = ("ack p50 ms", "ack_us_p50", "ms")
RATE = ("deliveries/s", "deliveries_per_second", "{:,.0f}")
CORES = ("server cores", "server_cores", "{:.2f}")
LOAD = ("load µs/delivery", "load_cpu_us_per_delivery", "{:.2f}")
SYSTEM = ("in kernel", "server_system_share", "{:.0%}")
BATCH = ("deliveries/read", "deliveries_per_read", "{:.1f}")
SIZE = ("bytes/event", "event_bytes", "{:.0f}")

SCENARIOS = (
    Scenario("fanout", "100 publishes/s to one room of 1,000 members, 200-byte payloads",
             ("--scenario=fanout", "--rate=100"),
             ("--duration=2s",),
             ("covet", "floor", "floor-1", "ws", "socket.io"),
             (CPU, P50, P99, ACK, RATE, CORES, SYSTEM, BATCH, SIZE, LOAD)),
    Scenario("saturation", "one publisher with 8 unacknowledged, one room of 1,000 members",
             ("--scenario=fanout", "--window=8", "--duration=4s"),
             ("--duration=2s",),
             ("covet", "floor", "ws", "socket.io"),
             (RATE, CPU, P50, P99, ACK, CORES, BATCH, LOAD)),
    Scenario("pairs", "10,000 rooms of 2 members, 2,000 messages/s spread evenly",
             ("--scenario=pairs", "--rate=2000"),
             ("--duration=2s", "--rooms=2000", "--connections=2000"),
             ("covet", "floor"),
             (("CPU µs/message", "server_cpu_us_per_publish", "{:.1f}"), P50, P99, ACK, RATE, CORES, LOAD)),
    Scenario("idle", "10,000 connections, each in a room of 10",
             ("--scenario=idle", "--settle=4s", "--concurrency=128"),
             ("--rooms=200", "--settle=2s"),
             ("covet", "socket.io"),
             (("bytes/connection", "pss_bytes_per_connection", "{:,.0f}"),
              ("server RSS MB", "server_rss_bytes", "MB"),
              ("with joins/s", "connections_per_second", "{:,.0f}"))),
    Scenario("connect", "5,000 connections, 64 opening at a time, until connection_ack",
             ("--scenario=connect", "--settle=0.2s"),
             ("--connections=1000",),
             ("covet", "floor", "ws", "socket.io"),
             (("connections/s", "connections_per_second", "{:,.0f}"),
              ("CPU µs/connection", "server_cpu_us_per_connection", "{:.0f}"))),
)
