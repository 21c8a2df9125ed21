"""Tables of the results, as Markdown that reads well on a terminal too."""

from statistics import median

from driver.scenarios import GOALS, SCENARIOS

BEGIN = "<!-- figures: written by bench/run.sh -->"
END = "<!-- end of figures -->"


def _format(value, form):
    if value is None:
        return "–"
    if form == "ms":
        return f"{value / 1000:.2f}"
    if form == "MB":
        return f"{value / 1e6:.0f}"
    return form.format(value)


def _medians(runs, key):
    values = [run[key] for run in runs if key in run]
    return median(values) if values else None


def _table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("| " + " | ".join(cells) + " |")
        if number == 0:
            rules = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
            lines.append("| " + " | ".join(rules) + " |")
    return lines


# At a fixed rate each delivery is a read of its own unless someone is behind.
BEHIND = 1.2


def _faults(runs):
    """What went wrong in a target's runs; a figure beside it is not to be trusted."""
    found = []
    for key in ("missing", "errors", "disconnects"):
        total = sum(run.get(key, 0) for run in runs)
        if total:
            found.append(f"{total} {key}")
    batch = _medians([run for run in runs if run.get("rate")], "deliveries_per_read")
    if batch is not None and batch > BEHIND:
        found.append(f"{batch:.1f} deliveries a read at a fixed rate, so the machine was behind and writes were shared")
    return ", ".join(found)


def _scenario(scenario, runs_by_target):
    first_title, first_key, _ = scenario.columns[0]
    rows = [["server"] + [title for title, _, _ in scenario.columns] + [f"{first_title} ÷ covet's"]]
    ours = _medians(runs_by_target.get("covet", []), first_key)
    notes = []
    for name, runs in runs_by_target.items():
        theirs = _medians(runs, first_key)
        ratio = theirs / ours if ours and theirs is not None else None
        rows.append([name] + [_format(_medians(runs, key), form) for _, key, form in scenario.columns]
                    + [_format(ratio, "{:.2f}")])
        if faults := _faults(runs):
            notes.append(f"{name}: {faults}.")
    rounds = max(len(runs) for runs in runs_by_target.values())
    lines = [f"### {scenario.name}", "", f"{scenario.title}; medians of {rounds}.", "", *_table(rows)]
    if notes:
        lines += ["", "Not clean: " + " ".join(notes)]
    lines += _thread_table(runs_by_target.get("covet", []))
    return lines


def _thread_table(runs):
    shares = [run["server_cpu_us_per_publish_by_thread"] for run in runs
              if run.get("server_cpu_us_per_publish_by_thread")]
    if not shares:
        return []
    names = {name for share in shares for name in share}
    per_name = {name: median(share.get(name, 0) for share in shares) for name in names}
    parts = [f"{name} {value:.1f}" for name, value in sorted(per_name.items(), key=lambda item: -item[1])
             if value >= 0.05]
    return ["", "covet's CPU µs per publish by thread: " + ", ".join(parts) + "."]


def _goal_rows(results, floor_name):
    rows = [["target", "bound", "measured", "rounds from–to", "result"]]
    for goal in GOALS:
        by_target = results.get(goal.scenario, {})
        runs = by_target.get("covet", [])
        reference = {"floor": floor_name}.get(goal.reference, goal.reference)
        bound = ("≤ " if goal.at_most else "≥ ") + f"{goal.bound:,g}{goal.unit}"
        others = by_target.get(reference, []) if reference else []
        value = _medians(runs, goal.key)
        base = _medians(others, goal.key) if reference else 1
        if value is None or not base:
            rows.append([goal.text, bound, "not measured", "", ""])
            continue
        each = [run[goal.key] / (other[goal.key] if reference else 1)
                for run, other in zip(runs, others or runs)]
        measured = value / base
        met = measured <= goal.bound if goal.at_most else measured >= goal.bound
        form = "{:,.2f}" if goal.unit == "×" else "{:,.0f}"
        rows.append([goal.text, bound, form.format(measured) + goal.unit,
                     f"{form.format(min(each))}–{form.format(max(each))}", "met" if met else "missed"])
    return rows


def _micro(entries):
    rows = [["benchmark", "CPU", "per second"]]
    for entry in entries:
        speed = ""
        if "bytes_per_second" in entry:
            speed = f"{entry['bytes_per_second'] / 2**20:,.0f} MiB"
        elif "items_per_second" in entry:
            speed = f"{entry['items_per_second']:,.0f}"
        rows.append([entry["name"], f"{entry['cpu_time']:,.1f} {entry['time_unit']}", speed])
    return ["### Google Benchmark", "", *_table(rows)]


def _rpc(name, by_shape):
    """Medians over rounds of the bare call, of the call through Covet, and of their ratios round by round."""
    roles = [key.removeprefix("cpu_us_per_call_") for key in next(iter(by_shape.values()))[0]["websocket"]
             if key.startswith("cpu_us_per_call_")]
    rows = [["load", "bare p50 ms", "p50 ms", "×", "p99 ms", "bare calls/s", "calls/s", *(f"{role} µs/call" for role in roles)]]
    for shape, rounds in by_shape.items():
        bare, ours = [r["grpc"] for r in rounds], [r["websocket"] for r in rounds]
        ratio = median(r["websocket"]["latency_us_p50"] / r["grpc"]["latency_us_p50"] for r in rounds)
        rows.append([shape, _format(_medians(bare, "latency_us_p50"), "ms"), _format(_medians(ours, "latency_us_p50"), "ms"),
                     f"{ratio:.2f}", _format(_medians(ours, "latency_us_p99"), "ms"),
                     _format(_medians(bare, "calls_per_second"), "{:,.0f}"), _format(_medians(ours, "calls_per_second"), "{:,.0f}"),
                     *(_format(_medians(ours, f"cpu_us_per_call_{role}"), "{:.1f}") for role in roles)])
    rounds = max(len(r) for r in by_shape.values())
    lines = [f"### rpc, {name}", "", f"`rpc_call` of a ten-field message through WebSocket, edge and rpc to a C++ echo backend and back, "
             f"beside the bare gRPC call; medians of {rounds}.", "", *_table(rows)]
    errors = sum(r[over]["errors"] for rounds in by_shape.values() for r in rounds for over in ("grpc", "websocket"))
    if errors:
        lines += ["", f"Not clean: {errors} errors."]
    return lines


def render(document):
    machine = document["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, Linux {machine['kernel']}, "
        f"TCP {machine['congestion_control']}, {machine['system']}; {machine['compiler']}, {machine['build_type']}; node {machine['node']}; "
        f"revision {machine['revision']}; {document['date']}.",
        "",
        f"Command: `{document['command']}`; {document['threads']} threads in Covet's edge and in floor-"
        f"{document['threads']}; {document['seconds']:.0f} s in all.",
    ]
    if document["busy"]:
        lines += ["", "**The machine was busy with other work: these figures compare, if anything, and prove nothing.**"]
    if document["quick"]:
        lines += ["", "A quick run: short, and smaller where connections are many."]
    lines += ["", *_table(_goal_rows(document["results"], f"floor-{document['threads']}"))]
    for scenario in SCENARIOS:
        if runs := document["results"].get(scenario.name):
            lines += ["", *_scenario(scenario, runs)]
    for name, by_shape in document.get("rpc", {}).items():
        lines += ["", *_rpc(name, by_shape)]
    if document.get("micro"):
        lines += ["", *_micro(document["micro"])]
    return "\n".join(lines) + "\n"


def write_into(path, text):
    """Puts the tables between the markers of a page."""
    page = path.read_text(encoding="utf-8")
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}")
    path.write_text(f"{head}{begin}\n{text}{end}{tail}", encoding="utf-8")
