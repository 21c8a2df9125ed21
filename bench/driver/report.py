"""The results of one or several runs as a page of tables."""

from statistics import median

from driver.goals import goal_table
from driver.parts import PARTS
from driver.scenarios import SCENARIOS
from driver.tables import cell, medians, table

BEGIN = "<!-- figures: written by bench/run.sh -->"
END = "<!-- end of figures -->"

# At a fixed rate each delivery is a read of its own unless someone is behind.
BEHIND = 1.2


def _faults(runs):
    """What went wrong in a target's runs; a figure beside it is not to be trusted."""
    found = []
    for key in ("missing", "errors", "disconnects"):
        total = sum(run.get(key, 0) for run in runs)
        if total:
            found.append(f"{total} {key}")
    batch = medians([run for run in runs if run.get("rate")], "deliveries_per_read")
    if batch is not None and batch > BEHIND:
        found.append(f"{batch:.1f} deliveries a read at a fixed rate, so the machine was behind and writes were shared")
    return ", ".join(found)


def _scenario(scenario, runs_by_target):
    first_title, first_key, _ = scenario.columns[0]
    rows = [["server"] + [title for title, _, _ in scenario.columns] + [f"{first_title} ÷ covet's"]]
    ours = medians(runs_by_target.get("covet", []), first_key)
    notes = []
    for name, runs in runs_by_target.items():
        theirs = medians(runs, first_key)
        ratio = theirs / ours if ours and theirs is not None else None
        rows.append([name] + [cell(medians(runs, key), form) for _, key, form in scenario.columns]
                    + [cell(ratio, "{:.2f}")])
        if faults := _faults(runs):
            notes.append(f"{name}: {faults}.")
    rounds = max(len(runs) for runs in runs_by_target.values())
    lines = [f"### {scenario.name}", "", f"{scenario.title}; medians of {rounds}.", "", *table(rows)]
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


def parts_of(document):
    """A run's results by part: scenarios of covet-load and the others alike."""
    return document["results"] | {name: document[name] for name in PARTS if document.get(name)}


def _origin(document, names):
    """What a run measured, and on what."""
    machine = document["machine"]
    lines = [
        f"{', '.join(names)}: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, Linux {machine['kernel']}, "
        f"TCP {machine['congestion_control']}, {machine['system']}; {machine['compiler']}, {machine['build_type']}; node {machine['node']}; "
        f"revision {machine['revision']}; {document['date']}. "
        f"Command: `{document['command']}`; {document['threads']} threads in Covet's edge and in floor-"
        f"{document['threads']}; {document['seconds']:.0f} s in all.",
    ]
    if document["busy"]:
        lines += ["", "**The machine was busy with other work: these figures compare, if anything, and prove nothing.**"]
    if document["quick"]:
        lines += ["", "A quick run: short, and smaller where connections are many."]
    return lines


def render(*documents):
    """Of a part that several runs have measured the last counts."""
    latest = {name: document for document in documents for name in parts_of(document)}
    parts = {name: parts_of(document)[name] for name, document in latest.items()}
    lines = []
    for document in documents:
        if names := [name for name, source in latest.items() if source is document]:
            lines += [*_origin(document, names), ""]
    lines += goal_table(parts)
    for scenario in SCENARIOS:
        if scenario.name in parts:
            lines += ["", *_scenario(scenario, parts[scenario.name])]
    for name, show in PARTS.items():
        if name in parts:
            lines += ["", *show(parts[name])]
    return "\n".join(lines) + "\n"


def write_into(path, text):
    """Puts the tables between the markers of a page."""
    page = path.read_text(encoding="utf-8")
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}")
    path.write_text(f"{head}{begin}\n{text}{end}{tail}", encoding="utf-8")
