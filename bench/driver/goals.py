"""The targets that Covet is held to, and how each is taken from the results."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from driver.tables import medians, table


@dataclass(frozen=True)
class Goal:
    text: str
    bound: float
    at_most: bool
    unit: str
    # Results by part → (the figure, that of each round); None if it was not measured.
    take: Callable


def _scenario(scenario, key, reference=None):
    """Covet's median, over that of `reference` if there is one. `floor` is the floor with as many threads as Covet's edge."""

    def take(parts):
        by_target = parts.get(scenario, {})
        name = next((n for n in by_target if n.startswith("floor-") and n != "floor-1"), "floor-1") if reference == "floor" else reference
        runs = [run for run in by_target.get("covet", []) if key in run]
        others = [run for run in by_target.get(name, []) if run.get(key)] if name else None
        if not runs or others == []:
            return None
        if others is None:
            each = [run[key] for run in runs]
            return median(each), each
        return medians(runs, key) / medians(others, key), [run[key] / other[key] for run, other in zip(runs, others)]

    return take


def _rounds(part, path, figure):
    """The median of `figure` over the rounds below `path` of the part."""

    def take(parts):
        rounds = parts.get(part)
        for name in path:
            rounds = (rounds or {}).get(name)
        each = [figure(one) for one in rounds or []]
        return (median(each), each) if each else None

    return take


def _rpc_times(mode):
    return _rounds("rpc", (mode, "2,000/s"), lambda r: r["websocket"]["latency_us_p50"] / r["grpc"]["latency_us_p50"])


def _rpc_busy(key):
    return _rounds("rpc", ("one process", "64 in flight"), lambda r: r["websocket"][key])


def _changes(load):
    return _rounds("changes", (load,), lambda r: r["covet"]["rows_per_s"] / r["pg_recvlogical"]["rows_per_s"])


def _micro(name):
    def take(parts):
        each = [entry["cpu_time"] for entry in parts.get("micro", []) if entry["name"] == name]
        return (each[0] / 1000, [each[0] / 1000]) if each else None

    return take


AT_MOST, AT_LEAST = True, False
PARALLEL = "covet, 100 files at once, chunks of 256 KiB"
GOALS = (
    Goal("CPU per delivery, against the floor", 1.25, AT_MOST, "×", _scenario("fanout", "server_cpu_us_per_delivery", "floor")),
    Goal("p99 latency, against the floor", 1.5, AT_MOST, "×", _scenario("fanout", "latency_us_p99", "floor")),
    Goal("deliveries/s at window 8, against Socket.IO", 5, AT_LEAST, "×", _scenario("saturation", "deliveries_per_second", "socket.io")),
    Goal("memory of an idle connection", 10 * 1024, AT_MOST, " bytes", _scenario("idle", "pss_bytes_per_connection")),
    Goal("authenticated connections/s", 1500, AT_LEAST, "", _scenario("connect", "connections_per_second")),
    Goal("RPC p50 at 2,000/s, against the bare call, one process", 2.5, AT_MOST, "×", _rpc_times("one process")),
    Goal("RPC p50 at 2,000/s, against the bare call, a process a role", 2.5, AT_MOST, "×", _rpc_times("a process a role")),
    Goal("RPC calls/s, 64 in flight", 13_000, AT_LEAST, "", _rpc_busy("calls_per_second")),
    Goal("CPU per RPC call, 64 in flight", 63, AT_MOST, " µs", _rpc_busy("cpu_us_per_call_covetd")),
    Goal("transcoding a ten-field message both ways", 5, AT_MOST, " µs", _micro("BM_BothWays")),
    Goal("records/s ingested, 1 subscriber", 200_000, AT_LEAST, "", _rounds("streams", ("1",), lambda r: r["published_per_s"])),
    Goal("changes, inserts, against pg_recvlogical", 0.7, AT_LEAST, "×", _changes("inserts, 1,000 a transaction")),
    Goal("changes, updates, against pg_recvlogical", 0.7, AT_LEAST, "×", _changes("updates, 10 a transaction")),
    Goal("memory of each of 100 uploads", 8, AT_MOST, " chunks", _rounds("uploads", (PARALLEL,), lambda r: r["chunks_each"])),
)


def goal_table(parts):
    """A row for every goal; what was not measured is not judged."""
    rows = [["target", "bound", "measured", "rounds from–to", "result"]]
    for goal in GOALS:
        bound = ("≤ " if goal.at_most else "≥ ") + f"{goal.bound:,g}{goal.unit}"
        taken = goal.take(parts)
        if taken is None:
            rows.append([goal.text, bound, "not measured", "", ""])
            continue
        measured, each = taken
        met = measured <= goal.bound if goal.at_most else measured >= goal.bound
        form = "{:,.2f}" if goal.bound < 10 else "{:,.0f}"
        rows.append([goal.text, bound, form.format(measured) + goal.unit,
                     f"{form.format(min(each))}–{form.format(max(each))}", "met" if met else "missed"])
    return table(rows)
