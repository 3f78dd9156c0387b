"""Pages on which one looks closely, in a browser."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser

from tests import pictures
from tests.browse import chromium
from tests.browse.chromium import Watched
from tests.conftest import Server

pytestmark = chromium.needed
WIDTH, HEIGHT = 5600, 3800
LIBRARY = Path("src/mezzotint/browse/static/packages/openseadragon.js")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as started:
        yield started


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    yield Watched(page)
    page.close()


@pytest.fixture(scope="module")
def shown() -> Image.Image:
    return pictures.photograph(WIDTH // 8, HEIGHT // 8, seed=20).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def idents(server: Server, shown: Image.Image) -> list[str]:
    """A large one, and two small ones, in one collection."""
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=92)
    files = [buffer.getvalue(), pictures.jpeg(900, 600, seed=21), pictures.jpeg(600, 900, seed=22)]
    return [server.upload(file, title=f"Page {n}", collection="Zoomed") for n, file in enumerate(files, 1)]


def test_what_zooms_was_installed() -> None:
    assert LIBRARY.stat().st_size > 100_000, "frontend/install.sh puts it there"


SETTLED = """() => window.mezzotintViewer && mezzotintViewer.world.getItemAt(0)
    && mezzotintViewer.world.getItemAt(0).getFullyLoaded() && !mezzotintViewer.isAnimating?.()"""
SEEN = """() => { const image = mezzotintViewer.world.getItemAt(0);
    const seen = image.viewportToImageRectangle(mezzotintViewer.viewport.getBounds());
    return [seen.x, seen.y, seen.width, seen.height] }"""


def test_a_large_picture_opens_zooms_and_pans_by_keyboard(
    server: Server, watched: Watched, idents: list[str], shown: Image.Image
) -> None:
    page = watched.page
    page.goto(f"{server.url}/image/{idents[0]}/")
    page.wait_for_function(SETTLED)
    page.wait_for_selector(".zoom.sharp")
    canvas = page.locator(".zoom [role=application]")
    assert "Page 1" in (canvas.get_attribute("aria-label") or "")
    box = page.locator(".zoom").bounding_box()
    assert box is not None
    seen = Image.open(io.BytesIO(page.locator(".zoom").screenshot())).convert("RGB")
    assert alike(seen, shown, page.evaluate(SEEN))
    canvas.focus()
    before = page.evaluate(SEEN)
    for _ in range(6):
        page.keyboard.press("+")
    page.wait_for_function(f"() => ({SEEN})()[2] < {before[2] / 2.5}")
    page.wait_for_function("() => location.hash.includes('xywh=')")
    page.wait_for_function(SETTLED)
    middle = page.evaluate(SEEN)
    page.keyboard.down("ArrowRight")
    page.wait_for_timeout(400)
    page.keyboard.up("ArrowRight")
    page.wait_for_function(f"() => ({SEEN})()[0] > {middle[0]} + 1")
    page.wait_for_function(SETTLED)
    page.wait_for_timeout(1500)  # the animation's length, and the last tile's fading in
    closer = Image.open(io.BytesIO(page.locator(".zoom").screenshot())).convert("RGB")
    assert alike(closer, shown, page.evaluate(SEEN))
    page.keyboard.press("0")
    page.wait_for_function(f"() => ({SEEN})()[2] > {before[2] * 0.95}")
    assert watched.tiles and set(watched.tiles.values()) == {200}
    assert watched.errors == []


def alike(seen: Image.Image, shown: Image.Image, part: list[float]) -> bool:
    """Whether the middle of what a viewer shows is that part of the picture."""
    x, y, width, height = part
    canvas = Image.new("RGB", (round(width), round(height)))
    canvas.paste(
        shown.crop((max(0, round(x)), max(0, round(y)), min(WIDTH, round(x + width)), min(HEIGHT, round(y + height)))),
        (max(0, -round(x)), max(0, -round(y))),
    )
    wanted = canvas.resize(seen.size, Image.Resampling.BOX)
    across, down = seen.size
    box = (across // 3, down // 3, across * 2 // 3, down * 2 // 3)
    difference = ImageStat.Stat(ImageChops.difference(seen.crop(box), wanted.crop(box)))
    return max(difference.mean) < 12


def test_an_address_leads_to_a_region(server: Server, watched: Watched, idents: list[str]) -> None:
    page = watched.page
    page.goto(f"{server.url}/image/{idents[0]}/#xywh=1000,500,800,600")
    page.wait_for_function(SETTLED)
    x, y, width, height = page.evaluate(SEEN)
    assert x <= 1001 and y <= 501 and x + width >= 1799 and y + height >= 1099 and width < 1700
    page.evaluate("location.hash = 'xywh=3000,2000,900,700'")
    page.wait_for_function(f"() => ({SEEN})()[0] > 2000")
    assert watched.errors == []


def test_buttons_do_what_they_say(server: Server, watched: Watched, idents: list[str]) -> None:
    page = watched.page
    page.goto(f"{server.url}/image/{idents[0]}/")
    page.wait_for_function(SETTLED)
    before = page.evaluate(SEEN)
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function(f"() => ({SEEN})()[2] < {before[2] * 0.8}")
    page.get_by_role("button", name="Show all of it").click()
    page.wait_for_function(f"() => ({SEEN})()[2] > {before[2] * 0.95}")
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("() => document.fullscreenElement !== null")


def test_a_collection_is_read_one_after_the_other(server: Server, watched: Watched, idents: list[str]) -> None:
    page = watched.page
    page.goto(f"{server.url}/collection/zoomed/")
    page.get_by_role("link", name="one after the other").click()
    page.wait_for_selector(".zoom.alive")
    assert "1 of 3" in page.inner_text(".turning") and page.locator("a[rel=prev]").count() == 0
    page.keyboard.press("PageDown")
    page.wait_for_url(f"**?canvas={idents[1]}")
    page.wait_for_selector(".zoom.sharp")
    assert page.locator(".strip li").count() == 3
    page.get_by_role("link", name="next").click()
    page.wait_for_url(f"**?canvas={idents[2]}")
    assert "3 of 3" in page.inner_text(".turning") and page.locator("a[rel=next]").count() == 0
    assert page.locator(".strip [aria-current=page] img").get_attribute("alt") == "Page 3"
    assert watched.errors == []


@pytest.mark.parametrize("query", ["?canvas=", "?canvas=" + "0" * 64, "?canvas=%00", "?canvas=<b>"])
def test_a_canvas_that_is_none_is_not_found_or_the_first(server: Server, idents: list[str], query: str) -> None:
    answer = server.http.get(f"/collection/zoomed/read/{query}")
    assert answer.status_code == (200 if query == "?canvas=" else 404)
    assert "<b>" not in answer.text
    assert server.http.get("/collection/none/read/").status_code == 404


def test_without_script_the_picture_stands_there(server: Server, browser: Browser, idents: list[str]) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(f"{server.url}/image/{idents[0]}/")
    image = page.locator(".plate img")
    assert image.is_visible() and image.evaluate("image => image.naturalWidth") == 1600
    assert page.locator(".tools button:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_where_tiles_are_not_free_nothing_zooms(serve_here: Callable[..., Server], watched: Watched) -> None:
    listed = serve_here(MEZZOTINT_RENDITIONS="signed")
    ident = listed.upload(pictures.jpeg(900, 600, seed=23), title="Signed")
    watched.page.goto(f"{listed.url}/image/{ident}/")
    watched.page.wait_for_load_state("networkidle")
    assert watched.page.locator(".plate img").is_visible() and watched.page.locator(".canvas").count() == 0
    assert watched.errors == []


def test_pages_lead_to_the_viewers_that_are_set(serve_here: Callable[..., Server]) -> None:
    viewers = "One=https://one.example/?m={manifest}, Another=https://two.example/#{manifest}"
    told = serve_here(MEZZOTINT_VIEWERS=viewers, MEZZOTINT_PUBLIC_URL="https://own.example")
    ident = told.upload(pictures.jpeg(90, 60, seed=24), title="Led", collection="Led")
    page = told.http.get(f"/image/{ident}/").text
    own = f"https%3A%2F%2Fown.example%2Fiiif%2Fpresentation%2F3%2Fimages%2F{ident}%2Fmanifest.json"
    assert f'href="https://one.example/?m={own}"' in page and f'href="https://two.example/#{own}"' in page
    assert "open in Another" in told.http.get("/collection/led/").text
