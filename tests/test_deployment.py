"""What a deployment is described by is held to the program and to the schemas of those who read it."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from mezzotint.cli import commands
from mezzotint.cli.app import app
from mezzotint.settings import Settings
from tests.servers import run

ROOT = Path(__file__).parent.parent
IMAGE = ROOT / "deploy" / "image"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PROFILES = {
    "": {"serve"},
    "full": {"nginx", "app", "worker", "cleaner", "postgresql", "redis"},
    "covers": {"covers-nginx", "covers-app", "covers-cleaner", "covers-redis"},
    "composites": {"api", "engine", "composites-postgresql"},
}
OF_OTHERS = ("AWS_", "ST_", "OS_", "DJANGO_SUPERUSER_", "POSTGRES_")
SETTINGS = [f.metadata for f in dataclasses.fields(Settings) if f.metadata]
KNOWN = {variable for one in SETTINGS for variable in one["variables"]}


def is_known(variable: str) -> bool:
    return variable in KNOWN | {"MIGRATE", "INIT_SUPERUSER"} or variable.startswith(OF_OTHERS)


def test_every_variable_stands_in_the_example_with_a_line_on_it() -> None:
    text = (ROOT / ".env.example").read_text()
    given = dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))
    first = {
        next(iter(f.metadata["variables"])): f.metadata["default"] for f in dataclasses.fields(Settings) if f.metadata
    }
    assert set(first) <= set(given)
    assert [name for name in given if not is_known(name)] == []
    for name, default in first.items():
        assert re.search(rf"^# .+\n#{name}=", text, re.MULTILINE), name
        assert default is None or given[name] == default, name
    assert not re.search(r"^[A-Z]", text, re.MULTILINE), "as it is it changes nothing"


def test_the_compose_file_is_one() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = subprocess.run(checker, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_its_services_and_whatever_they_need(profile: str) -> None:
    mine = {name: service for name, service in SERVICES.items() if profile in service["profiles"]}
    assert set(mine) == PROFILES[profile]
    ports = [port.partition(":")[0] for service in mine.values() for port in service.get("ports", ())]
    assert len(ports) == len(set(ports))
    for name, service in mine.items():
        assert set(service.get("depends_on", ())) <= set(mine), name
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert {one for one in volumes if not one.startswith(("$", "/", "."))} <= set(COMPOSE["volumes"]), name
        if service["image"] == "mezzotint":
            assert all(map(is_known, service.get("environment", ()))), name
            assert service["read_only"] and service["cap_drop"] == ["ALL"], name


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service["image"] == "mezzotint"])
def test_what_a_service_runs_is_there(name: str) -> None:
    assert commands
    word, *_ = SERVICES[name].get("command", "serve").split()
    if word.startswith("/srv/dlcs/"):
        assert os.access(IMAGE / word.removeprefix("/srv/dlcs/"), os.X_OK)
    else:
        assert word in get_command(app).commands  # type: ignore[attr-defined]


def test_no_variable_is_set_to_nothing() -> None:
    """An empty AWS_PROFILE is a profile that does not exist."""
    given = [value for service in SERVICES.values() for value in (service.get("environment") or {}).values()]
    assert not [value for value in given if str(value).endswith(":-}")]


@pytest.mark.processes
def test_a_variable_of_aws_that_is_empty_is_not_set(tmp_path: Path) -> None:
    code = "import boto3; print(boto3.client('s3', region_name='eu-west-1').meta.region_name)"
    done = run(tmp_path / "data", "manage", "shell", "-c", code, AWS_PROFILE="", AWS_ACCESS_KEY_ID="")
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["eu-west-1"]), done.stderr


@pytest.mark.parametrize("script", sorted(IMAGE.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_of_the_image_are_shell_scripts(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert subprocess.run(["sh", "-n", str(script)], capture_output=True).returncode == 0


@pytest.mark.processes
@pytest.mark.parametrize(
    ("arguments", "said"), [(["--version"], "0."), (["python", "-c", "print('as it is')"], "as it is")]
)
def test_the_image_runs_a_program_or_a_command(arguments: list[str], said: str) -> None:
    variables = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run([IMAGE / "run.sh", *arguments], capture_output=True, text=True, env=variables)
    assert (done.returncode, said in done.stdout) == (0, True), done.stderr


@pytest.mark.processes
def test_the_image_asks_where_its_server_listens() -> None:
    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.2", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        variables = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        for host, status in (("127.0.0.2", 0), ("127.0.0.1", 1)):
            bound = {"MEZZOTINT_BIND": f"{host}:{server.server_port}"}
            done = subprocess.run([IMAGE / "healthy.sh"], env=variables | bound, capture_output=True)
            assert done.returncode == status, done.stderr
        server.shutdown()


def test_the_manifests_are_what_kubernetes_takes() -> None:
    manifests = [str(path) for path in (ROOT / "deploy" / "kubernetes").glob("*.yaml")]
    assert manifests
    checker = [sys.executable, "-m", "kubernetes_validate", "--strict", *manifests]
    done = subprocess.run(checker, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_set_in_the_manifests_can_be_set() -> None:
    for document in yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "mezzotint.yaml").read_text()):
        for name in (*document.get("data", ()), *document.get("stringData", ())):
            assert is_known(name), name
