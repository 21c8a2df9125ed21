"""deploy/ without Docker: its scripts say how they are used, what docker-compose.yml mounts is there, and each role takes its
configuration."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from harness.process import TIMEOUT

DEPLOY = pathlib.Path(__file__).resolve().parents[1] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
ROLES = ("edge", "rooms", "streams", "rpc", "files")
SCRIPTS = sorted(str(path.relative_to(DEPLOY)) for path in [*DEPLOY.glob("*.sh"), *DEPLOY.glob("examples/**/*.py")])


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, **options)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder where secrets and certificates were made, as in deploy/."""
    folder = tmp_path_factory.mktemp("deploy")
    for name in ("secrets.sh", "certs.sh"):
        shutil.copy(DEPLOY / name, folder)
        result = run(folder / name)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_says_how_it_is_used_and_takes_nothing_else(tmp_path, script):
    """What it would make lies beside it or where it runs: in a folder of its own."""
    program = tmp_path / pathlib.Path(script).name
    shutil.copy(DEPLOY / script, program)
    before = [sys.executable] if program.suffix == ".py" else []
    for option in ("-h", "--help"):
        helped = run(*before, program, option, cwd=tmp_path)
        assert (helped.returncode, helped.stderr) == (0, ""), helped.stderr
        assert re.search(rf"^usage: (\S*/)?{re.escape(program.name)}", helped.stdout, re.MULTILINE), helped.stdout
    for arguments in (["--no-such-option"], ["made", "--no-such-option"]):
        refused = run(*before, program, *arguments, cwd=tmp_path)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "--no-such-option" in refused.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == [program.name]


def contents(folder):
    return {path.name: path.read_bytes() for path in [folder / ".env", *(folder / "secrets").iterdir()]}


def filled_in(text, known):
    """As Compose does it: ${NAME} and ${NAME:-default}."""
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda match: known[match[1]], text)


def environment(folder):
    known = {}
    for line in (folder / ".env").read_text().splitlines():
        if not line.startswith("#"):
            name, value = line.split("=", 1)
            known[name] = filled_in(value, known)
    return known


def environment_of(role, folder):
    """That of the role's container."""
    known = environment(folder)
    return {name: filled_in(value, known) for name, value in COMPOSE["services"][role]["environment"].items()}


def secrets_of(service):
    """{name in the container: file beside the compose file}"""
    named = [entry if isinstance(entry, dict) else {"source": entry} for entry in COMPOSE["services"][service].get("secrets", ())]
    return {entry.get("target", entry["source"]): COMPOSE["secrets"][entry["source"]]["file"] for entry in named}


def test_every_secret_is_made_and_only_once(made):
    for secret in COMPOSE["secrets"].values():
        assert (made / secret["file"]).stat().st_size > 0
    assert (made / "secrets").stat().st_mode & 0o777 == 0o700
    before = contents(made)
    for name in ("secrets.sh", "certs.sh"):
        assert run(made / name).returncode == 0
    assert contents(made) == before


def test_a_lost_key_is_made_anew_and_its_hash_with_it(made):
    old = environment(made)
    (made / "secrets" / "api_key").unlink()
    assert run(made / "secrets.sh").returncode == 0
    new = environment(made)
    assert new["API_KEY_SHA256"] != old["API_KEY_SHA256"]
    assert new | {"API_KEY_SHA256": ""} == old | {"API_KEY_SHA256": ""}


@pytest.mark.parametrize("secret", ["jwt_secret", "cluster_key", "database_password"])
def test_a_secret_that_is_made_anew_starts_every_role_anew(made, secret):
    """Compose does so with containers whose environment has changed, not with those whose files have."""
    assert f"./secrets/{secret}" in {file for role in ROLES for file in secrets_of(role).values()}
    old = {role: environment_of(role, made) for role in ROLES}
    (made / "secrets" / secret).unlink()
    assert run(made / "secrets.sh").returncode == 0
    for role in ROLES:
        assert environment_of(role, made) != old[role]


def test_what_is_mounted_is_there():
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists(), f"{name} mounts {source}"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_takes_its_configuration(made, tmp_path, role):
    if "COVETD" not in os.environ:
        pytest.skip("COVETD does not name a covetd to test")
    for target, file in secrets_of(role).items():
        (tmp_path / target).symlink_to(made / file)
    config = tmp_path / "covet.yaml"
    config.write_text((DEPLOY / "config" / "compose.yaml").read_text().replace("/run/secrets/", f"{tmp_path}/"))
    own = os.environ | environment_of(role, made) | {"COVET_CONFIG": str(config)}
    command = [os.environ["COVETD"], *COMPOSE["services"][role]["command"]]
    checked = run(*command, "--check-config", env=own)
    assert checked.returncode == 0, checked.stderr
    assert re.search(rf"^roles +{role}$", checked.stdout, re.MULTILINE)
    assert "mutual TLS" in checked.stdout
    assert "1 API keys" in checked.stdout
    # All that it reads is among its secrets.
    read = {name for name in re.findall(r"/run/secrets/(\w+)", (DEPLOY / "config" / "compose.yaml").read_text())}
    assert read - set(secrets_of(role)) <= ({"database_password"} if role not in ("streams", "rpc") else set())
    printed = yaml.safe_load(run(*command, "--print-config", env=own).stdout)
    assert printed["files"]["public_url"] == environment(made)["PUBLIC_URL"]


def test_links_to_files_follow_the_published_port(made, tmp_path):
    text = (made / ".env").read_text()
    (tmp_path / ".env").write_text(text.replace("EDGE_PORT=8000", "EDGE_PORT=9000"))
    for role in ROLES:
        assert environment_of(role, tmp_path)["COVET_FILES__PUBLIC_URL"] == "http://127.0.0.1:9000"
