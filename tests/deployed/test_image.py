"""The image itself, run: every role, on a volume and without one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import http, pictures
from tests.backends.processes import lasting_port
from tests.backends.swift import SwiftCluster
from tests.deployed.image import Container, container, image, missing_image
from tests.servers import answers
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.processes


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Container]:
    if missing := missing_image():
        pytest.skip(missing)
    with container(tmp_path) as made:
        yield made


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """As a new one is: the image's user may write to it."""
    made = tmp_path / "volume"
    made.mkdir()
    os.chown(made, 1000, 1000)
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    return made


def token(data: Path) -> str:
    """The first one, as the very first start has written it down."""
    found = re.search(r"^token +(\S+)$", (data / "first-login").read_text(), re.MULTILINE)
    assert found
    return found[1]


def client(port: int, token: str) -> httpx.Client:
    return http.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, headers={"authorization": f"Bearer {token}"}
    )


def test_it_is_small_and_runs_as_nobody_in_particular(fresh: Container) -> None:
    about = image()
    assert about["size"] < 450e6
    configuration = about["config"]
    assert configuration["User"] == "1000:1000"
    assert configuration["StopSignal"] == "SIGTERM"
    assert list(configuration["Volumes"]) == ["/data"]
    root = fresh.files()
    for path in (root / "etc/pip.conf", root / "run/certificates.crt"):
        assert not path.exists() or not path.stat().st_size, "how a machine finds packages is no part of it"
    assert (root / "srv/dlcs/manage.py").exists()
    assert list((root / "usr/share/fonts").rglob("NotoSansCJK-Regular.ttc"))


def test_it_serves_on_a_volume_and_goes_on_there(fresh: Container, volume: Path) -> None:
    port = lasting_port()
    data = pictures.jpeg(640, 480, seed=5)
    bind = {"MEZZOTINT_BIND": f"127.0.0.1:{port}", "MEZZOTINT_WORKERS": "1"}
    with fresh.running(volume=volume, variables=bind):
        until(lambda: answers(f"http://127.0.0.1:{port}"), 0.2)
        with client(port, token(volume)) as writer:
            ident = writer.post("/api/images/", files={"file": ("a.jpg", data)}).raise_for_status().json()["ident"]
            for format in ("jpg", "png", "webp", "avif"):
                answer = writer.get(f"/images/{ident}-w100.{format}").raise_for_status()
                assert pictures.opened(answer.content).size == (100, 75)
            assert writer.get(f"/images/{ident}").content == data
            assert writer.get("/static/admin/css/base.css").status_code == 200
            assert writer.get("/api/docs/").status_code == 200
            assert writer.get("/ready").json() == {"ready": True, "missing": {}}
        assert fresh.run("/srv/dlcs/healthy.sh", variables=bind).returncode == 0
        assert {path.stat().st_uid for path in volume.iterdir()} == {1000}
    assert fresh.run("/srv/dlcs/healthy.sh", variables=bind).returncode != 0
    with fresh.running(volume=volume, variables=bind):
        until(lambda: answers(f"http://127.0.0.1:{port}"), 0.2)
        assert http.get(f"http://127.0.0.1:{port}/images/{ident}", timeout=PATIENCE).content == data


def test_a_second_one_on_the_same_swift_has_all_that_the_first_one_had(
    fresh: Container, tmp_path: Path, swift: SwiftCluster
) -> None:
    """Nothing of either is persistent."""
    port = lasting_port()
    variables = swift.environment() | {
        "MEZZOTINT_STORE": f"swift://{swift.new_container()}/main",
        "MEZZOTINT_SECRET_KEY": "k" * 50,
        "MEZZOTINT_BIND": f"127.0.0.1:{port}",
        "MEZZOTINT_WORKERS": "1",
    }
    sent = {pictures.jpeg(300, 200, seed=seed): f"picture {seed}" for seed in range(5)}
    idents = {}
    with fresh.running(variables=variables):
        until(lambda: answers(f"http://127.0.0.1:{port}"), 0.2)
        word = token(fresh.files() / "data")
        with client(port, word) as writer:
            for data, title in sent.items():
                answer = writer.post("/api/images/", files={"file": ("a.jpg", data)}, data={"title": title})
                idents[answer.raise_for_status().json()["ident"]] = data
            before = writer.get("/api/status/").json()
    with container(tmp_path) as second, second.running(variables=variables):
        until(lambda: answers(f"http://127.0.0.1:{port}"), 0.2)
        assert "restored from the object store" in second.log.read_text()
        assert "first-login" not in second.log.read_text()
        with client(port, word) as reader:
            after = reader.get("/api/status/").json()
            assert {name: after[name] for name in ("images", "live")} == {n: before[n] for n in ("images", "live")}
            for ident, data in idents.items():
                assert reader.get(f"/images/{ident}").content == data
                assert reader.get(f"/api/images/{ident}/").json()["title"] == sent[data]
            assert reader.post("/api/images/", files={"file": ("a.png", pictures.png(seed=77))}).status_code == 201


def test_other_roles_and_commands_run(fresh: Container, volume: Path) -> None:
    assert re.match(r"\d+\.\d+", fresh.run("--version").stdout)
    assert "no issues" in fresh.run("python", "manage.py", "check", volume=volume).stdout
    done = fresh.run(
        "/srv/dlcs/entrypoint.sh", "python", "manage.py", "showmigrations", volume=volume, variables={"MIGRATE": "True"}
    )
    assert "[X] 0001_initial" in done.stdout, done.stderr
    for command in (("work",), ("clean", "--loop")):
        with fresh.running(*command, volume=volume):
            until(lambda: "Ctrl-C stops it" in fresh.log.read_text(), 0.2)
        fresh.log.write_text("")
    port = lasting_port()
    nobody = {"MEZZOTINT_BIND": f"127.0.0.1:{lasting_port()}"}
    with fresh.running("/srv/dlcs/entrypoint-nginx.sh", f"127.0.0.1:{port}", volume=volume, variables=nobody):
        until(lambda: _status(f"http://127.0.0.1:{port}/") == 502, 0.2)


def _status(url: str) -> int:
    try:
        return http.get(url, timeout=PATIENCE).status_code
    except httpx.HTTPError:
        return 0
