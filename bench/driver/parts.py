"""How the figures of what is no scenario of covet-load are shown. By name: what `run` of its module gave → lines."""

from statistics import median

from driver.tables import cell, medians, table


def _rpc_table(name, by_shape):
    """Medians over rounds of the bare call, of the call through Covet, and of their ratios round by round."""
    roles = [key.removeprefix("cpu_us_per_call_") for key in next(iter(by_shape.values()))[0]["websocket"]
             if key.startswith("cpu_us_per_call_")]
    rows = [["load", "bare p50 ms", "p50 ms", "×", "p99 ms", "bare calls/s", "calls/s", *(f"{role} µs/call" for role in roles)]]
    for shape, rounds in by_shape.items():
        bare, ours = [r["grpc"] for r in rounds], [r["websocket"] for r in rounds]
        ratio = median(r["websocket"]["latency_us_p50"] / r["grpc"]["latency_us_p50"] for r in rounds)
        rows.append([shape, cell(medians(bare, "latency_us_p50"), "ms"), cell(medians(ours, "latency_us_p50"), "ms"),
                     f"{ratio:.2f}", cell(medians(ours, "latency_us_p99"), "ms"),
                     cell(medians(bare, "calls_per_second"), "{:,.0f}"), cell(medians(ours, "calls_per_second"), "{:,.0f}"),
                     *(cell(medians(ours, f"cpu_us_per_call_{role}"), "{:.1f}") for role in roles)])
    rounds = max(len(r) for r in by_shape.values())
    lines = [f"### rpc, {name}", "", f"`rpc_call` of a ten-field message through WebSocket, edge and rpc to a C++ echo backend and back, "
             f"beside the bare gRPC call; medians of {rounds}.", "", *table(rows)]
    errors = sum(r[over]["errors"] for rounds in by_shape.values() for r in rounds for over in ("grpc", "websocket"))
    if errors:
        lines += ["", f"Not clean: {errors} errors."]
    return lines


def _rpc(results):
    lines = []
    for name, by_shape in results.items():
        lines += ["", *_rpc_table(name, by_shape)]
    return lines[1:]


def _streams(results):
    rows = [["subscribers", "records/s ingested", "delivered/s", "CPU µs/record", "CPU µs/delivery"]]
    for subscribers, runs in results.items():
        rows.append([subscribers, cell(medians(runs, "published_per_s"), "{:,.0f}"), cell(medians(runs, "received_per_s"), "{:,.0f}"),
                     cell(medians(runs, "server_cpu_us_per_record"), "{:.2f}"), cell(medians(runs, "server_cpu_us_per_delivery"), "{:.2f}")])
    rounds = max(len(runs) for runs in results.values())
    lines = ["### streams", "", "Records of 150 bytes, 500 a `Publish`, 4 calls at once, to a log on disk; each `Subscribe` follows live "
             f"and checks that no offset lacks. Delivered/s is over the time until every subscriber had all; medians of {rounds}.", "", *table(rows)]
    faults = [f"{name}: {sum(not run['complete'] for run in runs)} runs incomplete, {sum(run['failed'] for run in runs)} calls failed"
              for name, runs in results.items() if any(run["failed"] or not run["complete"] for run in runs)]
    return lines + (["", "Not clean: " + "; ".join(faults) + "."] if faults else [])


def _changes(results):
    rows = [["load", "covet rows/s", "pg_recvlogical rows/s", "×", "covet CPU µs/row", "pg_recvlogical CPU µs/row"]]
    for name, rounds in results.items():
        ours, theirs = [r["covet"] for r in rounds], [r["pg_recvlogical"] for r in rounds]
        rows.append([name, cell(medians(ours, "rows_per_s"), "{:,.0f}"), cell(medians(theirs, "rows_per_s"), "{:,.0f}"),
                     f"{medians(ours, 'rows_per_s') / medians(theirs, 'rows_per_s'):.2f}",
                     cell(medians(ours, "cpu_us_per_row"), "{:.2f}"), cell(medians(theirs, "cpu_us_per_row"), "{:.2f}")])
    rounds = max(len(r) for r in results.values())
    return ["### changes", "", "`database_changes` of one table into the log on disk, beside `pg_recvlogical` into a file: the same write-ahead "
            f"log, read in turn; medians of {rounds}.", "", *table(rows)]


def _uploads(results):
    rows = [["server", "MB/s", "CPU ms/MB", "memory per upload, chunks"]]
    for name, runs in results.items():
        rows.append([name, cell(medians(runs, "mb_per_s"), "{:,.0f}"), cell(medians(runs, "cpu_ms_per_mb"), "{:.2f}"),
                     cell(medians(runs, "chunks_each"), "{:.1f}")])
    rounds = max(len(runs) for runs in results.values())
    return ["### uploads", "", f"One file at a time unless told otherwise; nginx does not sync what it takes; medians of {rounds}.", "", *table(rows)]


def _micro(entries):
    rows = [["benchmark", "CPU", "per second"]]
    for entry in entries:
        speed = ""
        if "bytes_per_second" in entry:
            speed = f"{entry['bytes_per_second'] / 2**20:,.0f} MiB"
        elif "items_per_second" in entry:
            speed = f"{entry['items_per_second']:,.0f}"
        rows.append([entry["name"], f"{entry['cpu_time']:,.1f} {entry['time_unit']}", speed])
    return ["### Google Benchmark", "", *table(rows)]


PARTS = {"rpc": _rpc, "streams": _streams, "changes": _changes, "uploads": _uploads, "micro": _micro}
