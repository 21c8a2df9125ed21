"""Refuses absolute paths of one machine in files that are kept."""

import re
import subprocess
import sys

# A home, a scratch or a working folder, followed by a name.
PATHS = re.compile(r"(?<![\w.$}/-])/(?:home/[a-z]|root/[\w.]|work/|farm/|tmp/bash_jobs|Users/[A-Za-z])")


def main():
    files = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True)
    found = []
    for path in filter(None, files.stdout.split("\0")):
        if path == "tools/dev/machine_paths.py":
            continue
        try:
            with open(path, encoding="utf-8") as text:
                found += [f"{path}:{n}: {line.strip()}" for n, line in enumerate(text, 1) if PATHS.search(line)]
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            continue  # Deleted, a link or a binary file.
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
