"""What every released version has left behind, in its data directory or a volume, is gone on with.

`releases/` has a directory of each: three pictures, one of them renamed, and one that was removed.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import pictures
from tests.deployed.compose import ROOT
from tests.servers import Server, run

pytestmark = pytest.mark.processes
RELEASES = Path(__file__).parent / "releases"
VERSIONS = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.fixture(params=VERSIONS)
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with tarfile.open(RELEASES / f"{request.param}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "data"


@pytest.mark.parametrize("lost", [(), ("mezzotint.sqlite3",)], ids=["all", "the store alone"])
def test_it_is_as_it_was_and_goes_on(left: Path, serve: Callable[..., Server], lost: tuple[str, ...]) -> None:
    known = json.loads((left / "known.json").read_text())
    for name in lost:
        (left / name).unlink()
    server = serve(left)
    for ident, title in known["images"].items():
        told = server.http.get(f"/api/images/{ident}/").raise_for_status().json()
        assert (told["title"], told["tags"]) == (title, ["copper", "1780"])
        assert hashlib.sha256(server.http.get(f"/images/{ident}").content).hexdigest() == ident
        assert pictures.opened(server.http.get(f"/images/{ident}-8x6.jpg").content).size == (8, 6)
    assert server.http.get(f"/images/{known['removed']}").status_code == 404
    server.writer.post(f"/api/removals/{known['removed']}/restore/").raise_for_status()
    assert hashlib.sha256(server.http.get(f"/images/{known['removed']}").content).hexdigest() == known["removed"]
    new = server.upload(pictures.png(seed=950), title="after")
    assert server.http.get(f"/api/images/{new}/").json()["title"] == "after"
    status = server.http.get("/api/status/").json()
    assert (status["alarm"], status["images"], status["live"]) == ("", 5, status["durable"])
    server.stop()
    done = run(left, "verify")
    assert (done.returncode, "5 bases" in done.stdout) == (0, True), done.stdout + done.stderr
