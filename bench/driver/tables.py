"""Tables that read well on a terminal and as Markdown."""

from statistics import median


def cell(value, form):
    if value is None:
        return "–"
    if form == "ms":
        return f"{value / 1000:.2f}"
    if form == "MB":
        return f"{value / 1e6:.0f}"
    return form.format(value)


def medians(runs, key):
    """Of those runs that have the key; None if none has."""
    values = [run[key] for run in runs if key in run]
    return median(values) if values else None


def table(rows):
    """Lines; the first row is the head, the first column text."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append("| " + " | ".join(cells) + " |")
        if number == 0:
            rules = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
            lines.append("| " + " | ".join(rules) + " |")
    return lines
