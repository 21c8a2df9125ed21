"""deploy/prometheus and deploy/grafana: the rules pass their own tests, and against a running deployment every query of
rules and dashboard finds what it asks for."""

import asyncio
import json
import math
import os
import re
import shutil
import signal
import subprocess

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from harness.backend import ExampleBackend
from harness.deployment import Deployment
from harness.process import TIMEOUT
from harness.prometheus import CONFIG, DEPLOY, RULES, Prometheus, metric_names, rules
from harness.traffic import Traffic

DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
CASES = DEPLOY / "prometheus/tests/covet.yml"

needs_prometheus = pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus is not installed")


def promtool(*arguments):
    result = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_prometheus
def test_configuration_and_rules_are_valid():
    promtool("check", "config", "--lint=all", "--lint-fatal", CONFIG)
    promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


@needs_prometheus
def test_alerts_fire_when_they_should():
    promtool("test", "rules", CASES)


def test_every_alert_has_a_case_and_says_what_to_do():
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    cases = {case["name"]: case for case in yaml.safe_load(CASES.read_text())["tests"]}
    assert cases.keys() - {"AllIsWell"} == set(names)
    healthy = {name for series in cases["AllIsWell"]["input_series"] for name in metric_names(series["series"])}
    for rule in rules():
        (test,) = cases[rule["alert"]]["promql_expr_test"]
        assert f'"{rule["alert"]}"' in test["expr"] and test["exp_samples"][0]["value"] >= 1
        assert metric_names(rule["expr"]) <= healthy, f"AllIsWell lacks what {rule['alert']} asks for"
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard):
    """(panel's title, expression) with Grafana's variables filled in."""
    found = [(panel["title"], target["expr"]) for panel in panels(dashboard) for target in panel["targets"]]
    found += [(annotation["name"], annotation["expr"]) for annotation in dashboard["annotations"]["list"]]
    return [(title, expr.replace("$instance", ".*").replace("$__rate_interval", "1m")) for title, expr in found]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_dashboards_are_whole(file):
    dashboard = json.loads(file.read_text())
    assert dashboard["uid"] and dashboard["title"] and dashboard["schemaVersion"] >= 36
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"], f"{panel['title']} lies over {taken[cell]}"
    for panel in panels(dashboard):
        assert panel["type"] in ("timeseries", "stat")
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert references and len(set(references)) == len(references)
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            used = set(re.findall(r"\$\{?(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables
            labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            grouped = re.search(r"by \(([^)]*)\)", target["expr"])
            assert not grouped or labels <= {label.strip() for label in grouped[1].split(",")}


def differences(written, understood, path=""):
    """Where two JSON values differ, as paths."""
    if isinstance(written, dict) and isinstance(understood, dict):
        return [found for key, value in written.items() for found in differences(value, understood.get(key), f"{path}/{key}")]
    if isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        return [found for i, (a, b) in enumerate(zip(written, understood)) for found in differences(a, b, f"{path}/{i}")]
    return [] if written == understood else [path]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_grafanas_own_model_understands_dashboards(file):
    """Everything comes back from it as it was written: no key, type or value that Grafana has not."""
    register_default_plugins()
    written = json.loads(file.read_text())
    understood = json.loads(JSONEncoder(sort_keys=True, indent=0).encode(Dashboard.from_json(written)))
    # How annotations are shown is the data source's own.
    assert set(differences(written, understood)) == {"/annotations/list/0/titleFormat", "/annotations/list/0/textFormat"}


def test_grafana_finds_what_is_provisioned():
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert source["jsonData"]["timeInterval"] == yaml.safe_load(CONFIG.read_text())["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/covet.yaml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")


def test_compose_has_what_both_are_told():
    services = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())["services"]
    listen = yaml.safe_load((DEPLOY / "config/compose.yaml").read_text())["admin"]["listen"]
    (job,) = yaml.safe_load(CONFIG.read_text())["scrape_configs"]
    found = [f"{name}:{edges['port']}" for edges in job["dns_sd_configs"] for name in edges["names"]]
    for address in found + [address for target in job["static_configs"] for address in target["targets"]]:
        name, port = address.split(":")
        assert name in services and listen == f"0.0.0.0:{port}"
    assert "./prometheus:/etc/prometheus:ro" in services["prometheus"]["volumes"]
    assert {"./grafana/provisioning:/etc/grafana/provisioning:ro", "./grafana/dashboards:/var/lib/grafana/dashboards:ro"} <= set(services["grafana"]["volumes"])


@pytest.fixture
def certificate(tmp_path):
    """(certificate, key) for 127.0.0.1, signed by itself, good for longer than alerts warn of."""
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "60",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


@pytest.fixture
def watched(tmp_path, certificate):
    """(deployment, its Prometheus): a process a role, over TLS, with a backend that calls and a stream reach."""
    if not shutil.which("prometheus"):
        pytest.skip("Prometheus is not installed")
    if "COVETD" not in os.environ:
        pytest.skip("COVETD does not name a covetd to test")
    shop = ExampleBackend().start()
    stream = {"backend": "shop", "method": "orders.watch_stock", "request": {"interval": "0.1s", "sku": "tea"}}
    overrides = {
        "edge": {"tls": {"cert_file": str(certificate[0]), "key_file": str(certificate[1])}},
        "backends": {"shop": shop.config()},
        "limits": {"rpc_calls": "1000000/min"},
        "streams": {"resources": [{"type": "events", "id": "orders"}, {"type": "events", "id": "stock", "backend_stream": stream}]},
    }
    try:
        with Deployment("split", tmp_path, overrides) as covet, Prometheus(covet, tmp_path) as prometheus:
            covet.process("rpc").wait_log("rpc_methods_changed", backend="shop")
            yield covet, prometheus
    finally:
        shop.close()


def without_data(prometheus, queries):
    """The queries that have no sample, or none that is a number, for now."""
    missing = []
    for title, expression in queries:
        if all(math.isnan(value) for _, value in prometheus.query(expression)):
            missing.append(f"{title}: {expression}")
    return missing


async def test_a_running_deployment_fills_every_query(watched, certificate):
    covet, prometheus = watched
    queries = [query for file in DASHBOARDS for query in expressions(json.loads(file.read_text())) if query[0] != "Alerts"]
    # What rules ask for is there, whether or not it is beyond their thresholds.
    names = set().union(*(metric_names(rule["expr"]) for rule in rules()))
    queries += [("rules", f'count({{__name__="{name}"}})') for name in sorted(names)]
    traffic = Traffic(covet, certificate[0])
    async with asyncio.timeout(3 * TIMEOUT):
        while True:
            await traffic.run_once()
            missing = await asyncio.to_thread(without_data, prometheus, queries)
            if not missing:
                break
            queries = [(title, expression) for title, expression in queries if f"{title}: {expression}" in missing]

    assert {labels["service"] for labels, value in prometheus.query("up == 1")} == {"edge", "rooms", "streams", "rpc", "files"}
    for rule in prometheus.rules():
        assert rule["health"] == "ok" and not rule.get("lastError"), rule
    assert len(prometheus.rules()) == len(rules())
    # The disk is the machine's own matter.
    firing = {labels["alertname"] for labels, _ in prometheus.query('ALERTS{alertstate="firing"}')}
    assert not firing - {"CovetDiskFills", "CovetDiskFull"}

    # An alert comes, and goes.
    alert = 'ALERTS{alertname="CovetReloadRefused", alertstate="firing", service="files"}'
    files = covet.process("files")
    files.config["nonsense"] = 1
    files.write_config()
    os.kill(files.pid, signal.SIGHUP)
    files.wait_log("config_reload_failed")
    async with asyncio.timeout(TIMEOUT):
        while not prometheus.query(alert):
            await asyncio.sleep(0.2)
    del files.config["nonsense"]
    files.reload()
    async with asyncio.timeout(TIMEOUT):
        while prometheus.query(alert):
            await asyncio.sleep(0.2)
