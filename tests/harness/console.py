"""The `console` blocks of the project's pages: commands after `$ `, and what a terminal showed. They are run as written
against a real server, and what they print is held against the page."""

import os
import re
import signal
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r'"(\w*id|epoch|url)": ?"[^"]*"'), r'"\1": <id>'),
    (re.compile(r"\b(?:m|ev|sess|notif|cor|file)_[A-Za-z0-9_-]{8,}"), "<id>"),
    (re.compile(r"\b(?=[A-Za-z0-9_-]*\d)(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{10,}"), "<id>"),
    (re.compile(r"-?\b\d+(\.\d+)?\b"), "<number>"),
)


@dataclass
class Command:
    text: str
    output: list[str] = field(default_factory=list)


def _lines(page):
    inside = False
    for line in Path(page).read_text().splitlines():
        if line.startswith("```"):
            inside = line == "```console"
            yield line, False
        else:
            yield line, inside


def commands(page):
    """The commands of all console blocks, in their order; one that ends with a backslash goes on in the next line."""
    found = []
    continued = False
    for line, inside in _lines(page):
        if not inside:
            continue
        if continued:
            found[-1].text += "\n" + line
        elif line.startswith("$ "):
            found.append(Command(line[2:]))
        else:
            assert found, f"{page}: output without a command: {line}"
            found[-1].output.append(line)
            continue
        continued = line.endswith("\\")
    return found


def masked(line):
    """A line without what differs from run to run: times, ids, numbers."""
    for pattern, stands_for in _MASKS:
        line = pattern.sub(stands_for, line)
    return re.sub(r"\s+", " ", line).strip()


def differences(expected, shown):
    """Lines of the page that were not printed, and the other way round; their order is not compared."""
    missing = [masked(line) for line in expected]
    extra = []
    for line in shown:
        if masked(line) in missing:
            missing.remove(masked(line))
        else:
            extra.append(line)
    return missing, extra


class Shell:
    """One bash for a page, so that what a command sets is there for the next. `words` are replaced in commands, and
    back in what they print."""

    def __init__(self, folder, environment, words):
        self._words = words
        self._bash = subprocess.Popen(["bash", "--norc"], cwd=folder, env=environment, text=True, bufsize=1,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      start_new_session=True)

    def run(self, text):
        for here, there in self._words.items():
            text = text.replace(here, there)
        mark = uuid.uuid4().hex
        self._bash.stdin.write(f"{text}\nprintf '\\n{mark}\\n'\n")
        self._bash.stdin.flush()
        shown = []
        for line in self._bash.stdout:
            line = line.rstrip("\n")
            if line == mark:
                break
            for here, there in self._words.items():
                line = line.replace(there, here)
            shown.append(line)
        else:
            raise AssertionError(f"the shell ended in: {text}")
        # The mark stands on a line of its own.
        if shown and shown[-1] == "":
            shown.pop()
        return shown

    def close(self):
        """Ends what commands left running, too."""
        self._bash.stdin.close()
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()


def rewrite(page, outputs):
    """Puts what was printed into the page, `outputs` by the commands' order."""
    result, index, continued, in_output = [], -1, False, False
    for line, inside in _lines(page):
        if not inside:
            in_output = False
            result.append(line)
            continue
        if continued or line.startswith("$ "):
            if not continued:
                index += 1
            continued = line.endswith("\\")
            result.append(line)
            if not continued:
                result += outputs[index]
                in_output = True
        elif not in_output:
            result.append(line)
    Path(page).write_text("\n".join(result) + "\n")
