"""Holds the include rules: domain code knows no network, and Beast stays where the sockets are."""

import re
import subprocess
import sys

# Folders of domain logic; any folder named domain/ counts too.
DOMAIN = ("common/policy/", "common/limits/", "common/payload/", "common/protojson/", "edge/codec/", "edge/frame/", "edge/rooms/")
# edge/rooms holds the domain beside the adapter of the link's gRPC stream, whose files say so in their names.
ADAPTER = re.compile(r"(grpc|_adapter|_fuzzer|_benchmark)[a-z_]*\.(h|cc)$")
FORBIDDEN_IN_DOMAIN = re.compile(r"^(grpcpp/|grpc/|boost/beast|boost/asio|sqlite3\.h|sys/socket\.h|netinet/)")
BEAST = re.compile(r"^boost/beast")
BEAST_HEADERS = ("edge/transport/", "common/server/")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def is_domain(path):
    return (path.startswith(DOMAIN) or "/domain/" in path) and not ADAPTER.search(path)


def violations(path):
    with open(path, encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            included = match.group(1)
            if is_domain(path) and FORBIDDEN_IN_DOMAIN.match(included):
                yield f"{path}:{number}: domain code must not include {included}"
            if path.endswith(".h") and BEAST.match(included) and not path.startswith(BEAST_HEADERS):
                yield f"{path}:{number}: only headers of {', '.join(BEAST_HEADERS)} may include {included}"


def main():
    files = subprocess.run(["git", "ls-files", "-z", "--", "*.h", "*.cc"], check=True, capture_output=True, text=True)
    found = []
    for path in filter(None, files.stdout.split("\0")):
        try:
            found += violations(path)
        except FileNotFoundError:
            pass  # Deleted and not committed yet.
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
