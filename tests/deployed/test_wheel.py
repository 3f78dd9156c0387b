"""The wheel, installed where there is nothing of the checkout: it has all files that it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzotint import __version__
from tests import pictures, servers
from tests.deployed.compose import ROOT
from tests.servers import Server, environment

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program out of a wheel, in an environment of its own; what it depends on is the tests'."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel] = place.glob("*.whl")
    assert wheel.name.startswith(f"mezzotint-{__version__}-")
    venv.create(place / "env", with_pip=False)
    python = place / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    done = subprocess.run([*install, "--no-index", "--disable-pip-version-check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [own] = (place / "env" / "lib").glob("python*/site-packages")
    (own / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.with_name("mezzotint")


def test_it_is_the_wheels_own(installed: Path, tmp_path: Path) -> None:
    code = "import mezzotint; print(mezzotint.__file__)"
    done = subprocess.run([installed.with_name("python"), "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(installed.parent.parent), done.stderr


def test_it_serves_pictures_pages_and_all_static_files(
    installed: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "SERVING", [installed])
    server = serve()
    ident = server.upload(pictures.jpeg(120, 90, seed=3), title="Of a wheel")
    assert server.http.get(f"/images/{ident}-w60.webp").status_code == 200
    for page in ("/", "/api/docs/", "/admin/login/", "/ready"):
        answer = server.http.get(page)
        assert answer.status_code == 200, page
        for link in files_of(answer.text):
            assert server.http.get(link).status_code == 200, link
    server.stop()


def files_of(page: str) -> list[str]:
    """What a page's head asks for of this server's own files."""
    return re.findall(r'(?:href|src)="(/static/[^"?]+)', page)


def test_every_file_of_the_checkout_is_in_it(installed: Path) -> None:
    [own] = (installed.parent.parent / "lib").glob("python*/site-packages/mezzotint")
    source = ROOT / "src" / "mezzotint"
    there = {
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path for path in there if not (own / path).exists()} == set()


def test_its_commands_run(installed: Path, tmp_path: Path) -> None:
    for command in (["--version"], ["commits"], ["manage", "check"]):
        done = subprocess.run(
            [installed, *command], env=environment(tmp_path / "data"), capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
