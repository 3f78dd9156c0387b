"""Manifests, opened by viewers of others on another page."""

from __future__ import annotations

import functools
import http.server
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests import pictures
from tests.browse import chromium
from tests.browse.chromium import Watched
from tests.conftest import Server

VIEWERS = Path(".tools/viewers").absolute()
pytestmark = [
    chromium.needed,
    pytest.mark.skipif(
        not (VIEWERS / "tify.js").exists() and "CI" not in os.environ,
        reason="Mirador and TIFY are not installed: frontend/viewers/install.sh",
    ),
]
MIRADOR = """<!doctype html><meta charset="utf-8"><title>Mirador</title><link rel="icon" href="data:,">
<div id="viewer" style="position:absolute;inset:0"></div><script src="mirador.js"></script>
<script>Mirador.viewer({id: "viewer", windows: [{manifestId: "%s", canvasIndex: 0}]})</script>"""
TIFY = """<!doctype html><meta charset="utf-8"><title>TIFY</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="tify.css"><div id="viewer" style="position:absolute;inset:0"></div>
<script type="module">import Tify from "./tify.js"; new Tify({container: "#viewer", manifestUrl: "%s"})</script>"""
RED = (200, 30, 40)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def manifest(server: Server) -> str:
    """Of a collection: a large picture that is red all over, and two others."""
    buffer = io.BytesIO()
    Image.new("RGB", (5600, 3800), RED).save(buffer, "JPEG", quality=90)
    for number, file in enumerate([buffer.getvalue(), pictures.jpeg(900, 600, seed=31), pictures.png(seed=32)], 1):
        server.upload(file, title=f"Leaf {number}", collection="Herbarium")
    return f"{server.url}/iiif/presentation/3/collections/herbarium/manifest.json"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which another server gives it out."""
    for file in VIEWERS.iterdir():
        (tmp_path / file.name).symlink_to(file)
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as giving:
        threading.Thread(target=giving.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{giving.server_port}"
        giving.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


@pytest.mark.parametrize(("page", "told"), [(MIRADOR, "Leaf 1"), (TIFY, "Herbarium")], ids=["mirador", "tify"])
def test_a_viewer_shows_a_collection(
    browser: Browser, manifest: str, elsewhere: tuple[Path, str], page: str, told: str
) -> None:
    folder, address = elsewhere
    (folder / "page.html").write_text(page % manifest)
    watched = Watched(browser.new_page(viewport={"width": 1200, "height": 800}))
    watched.page.goto(f"{address}/page.html")
    watched.page.wait_for_function(f"() => document.body.innerText.includes({told!r})")
    watched.page.wait_for_selector("canvas, .openseadragon-canvas", state="attached")
    for _ in range(100):
        shot = Image.open(io.BytesIO(watched.page.screenshot())).convert("RGB").resize((120, 80), Image.Resampling.BOX)
        red = sum(count for count, colour in shot.getcolors(9600) or () if _is_near(colour))
        if red > 1500:
            break
        watched.page.wait_for_timeout(200)
    assert red > 1500, "a fifth of the page is the picture"
    watched.page.wait_for_load_state("networkidle")
    assert watched.tiles and set(watched.tiles.values()) == {200}
    assert [error for error in watched.errors if "/iiif/" in error] == []
    watched.page.close()


def _is_near(colour: object) -> bool:
    return isinstance(colour, tuple) and all(abs(one - other) < 25 for one, other in zip(colour, RED, strict=True))
