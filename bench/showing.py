"""The two pictures of the README: the front page, and describing at the desk, of landscapes that nobody took.

python -m bench.showing
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page
from tests.browse import chromium
from tests.servers import Server, start_server

from bench.landscapes import landscape

_HERE = Path(__file__).parent.parent / "docs" / "pictures"
_SIZE = (1200, 780)
_COUNT = 22
_WHERE = ("Kellerwald", "Vosges", "Tatra", "Jura", "Sudetes", "Cévennes", "Rhön", "Ardennes")
_WHEN = ("dusk", "noon", "nightfall", "rain", "moonrise", "harvest", "dawn", "drought")
_COLLECTIONS = {"Evenings": (0, 2, 4, 8, 10, 16, 18), "Mornings": (1, 5, 6, 9, 13, 14), "Weather": (3, 7, 11, 15, 19)}


def main() -> None:
    with tempfile.TemporaryDirectory() as work, chromium.browser() as browser:
        server = start_server(Path(work) / "data", MEZZOTINT_NAME="Ridge and Haze", MEZZOTINT_LOOKS="true")
        try:
            idents = _filled(server)
            page = browser.new_page(viewport={"width": _SIZE[0], "height": _SIZE[1]})
            page.goto(f"{server.url}/")
            _keep(page, "front")
            _log_in(page, server)
            page.goto(f"{server.url}/desk/images/{idents[6]}/")
            _keep(page, "describe")
        finally:
            server.stop()


def _filled(server: Server) -> list[str]:
    idents = [
        server.upload(
            landscape(seed),
            title=f"{_WHERE[seed * 3 % 8]}, {_WHEN[seed % 8]}",
            creator=("Ida Rahn", "Otto Lund", "M. Varga")[seed % 3],
            captured=f"{1902 + seed * 5}-{seed % 12 + 1:02}",
            tags=f"ridges, haze, {_WHEN[seed % 8]}",
            rights="Public domain",
            description="Seen from the pass, looking west, with the first range still in the light.",
        )
        for seed in range(_COUNT)
    ]
    for title, members in _COLLECTIONS.items():
        said = {"title": title, "images": [idents[place] for place in members]}
        server.writer.post("/api/collections/", json=said).raise_for_status()
    return idents


def _log_in(page: Page, server: Server) -> None:
    lines = (server.data / "first-login").read_text().splitlines()
    password = next(line.rpartition("password: ")[2] for line in lines if "password: " in line)
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Desk").wait_for()


def _keep(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    _HERE.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(page.screenshot())) as seen:
        seen.convert("RGB").save(_HERE / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
