"""A Prometheus with the project's own rules that scrapes a deployment of the tests."""

import json
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

from harness.ports import free_port
from harness.process import TIMEOUT, end

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
CONFIG = DEPLOY / "prometheus/prometheus.yml"
RULES = DEPLOY / "prometheus/rules/covet.yml"


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def metric_names(expression):
    """The names of metrics in an expression, those of a `__name__` pattern spelled out."""
    names = set()
    for prefix, choices, suffix in re.findall(r'__name__=~"(\w*)\(([\w|]+)\)(\w*)"', expression):
        names |= {prefix + choice + suffix for choice in choices.split("|")}
    return names | set(re.findall(r"\b(?:covet|process)_[a-z_]+\b(?!\()|\bup\b", re.sub(r'"[^"]*"', '""', expression)))


class Prometheus:
    """`with Prometheus(covet, folder) as p: p.query('up')`. Scrapes and evaluates every 500 ms."""

    def __init__(self, covet, folder):
        self._folder = folder
        self._port = free_port()
        self._log = None
        self._process = None
        config = yaml.safe_load(CONFIG.read_text())
        config["global"] |= {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        config["rule_files"] = [str(CONFIG.parent / pattern) for pattern in config["rule_files"]]
        (job,) = config["scrape_configs"]
        # As DNS would: without labels.
        (edges,) = job.pop("dns_sd_configs")
        job["static_configs"].append({"targets": [f"{name}:{edges['port']}" for name in edges["names"]]})
        for target in job["static_configs"]:
            # The compose services are named by their roles.
            roles = [address.partition(":")[0] for address in target["targets"]]
            target["targets"] = [covet.process(role).config["admin"]["listen"] for role in roles]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self):
        self._log = open(self._folder / "prometheus.log", "w+")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        deadline = time.monotonic() + TIMEOUT
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = pathlib.Path(self._log.name).read_text()
                self.__exit__()
                raise AssertionError("Prometheus does not start:\n" + log)
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        end(self._process)
        self._log.close()

    def _ready(self):
        try:
            return self._get("/-/ready") is not None
        except OSError:
            return False

    def _get(self, path, **parameters):
        url = f"http://127.0.0.1:{self._port}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return answer.read().decode()

    def query(self, expression):
        """The samples of an instant query: (labels, value)."""
        try:
            answer = json.loads(self._get("/api/v1/query", query=expression))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None
        assert answer["data"]["resultType"] == "vector", expression
        return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]

    def rules(self):
        """Every rule as Prometheus tells of it: `name`, `state`, `health`, `lastError`, …"""
        return [rule for group in json.loads(self._get("/api/v1/rules"))["data"]["groups"] for rule in group["rules"]]
