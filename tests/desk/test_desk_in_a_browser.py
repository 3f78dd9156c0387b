"""The desk as people use it, in a browser: the walk of an archivist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests import pictures
from tests.browse import axe, chromium
from tests.browse.chromium import Watched
from tests.conftest import Server
from tests.waiting import until

pytestmark = chromium.needed
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as started:
        yield started


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def watched(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Watched]:
    context = browser.new_context(viewport=request.param)
    watched = Watched(context.new_page())
    log_in(watched.page, server)
    yield watched
    context.close()


def log_in(page: Page, server: Server) -> None:
    """As the first person, whose password is in a file."""
    password = next(
        line.rpartition("password: ")[2]
        for line in (server.data / "first-login").read_text().splitlines()
        if "password: " in line
    )
    page.goto(f"{server.url}/")
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Desk").click()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three pictures that nobody has sent before, and one that is none."""
    seeds = [int.from_bytes(os.urandom(3), "big") for _ in range(3)]
    found = [tmp_path / f"sea {number}.jpg" for number in (1, 2, 3)]
    for path, seed in zip(found, seeds, strict=True):
        path.write_bytes(pictures.jpeg(600, 400, seed=seed))
    found.append(tmp_path / "broken.jpg")
    found[3].write_bytes(b"no picture")
    return found


def begun(page: Page, note: str) -> None:
    page.get_by_label("What for").fill(note)
    page.get_by_role("button", name="Put pictures in").click()
    page.wait_for_selector("#drop[data-ready]")


def test_the_walk_of_an_archivist(server: Server, watched: Watched, files: list[Path]) -> None:
    page = watched.page
    begun(page, "The sea")
    page.set_input_files("#files", files)
    page.wait_for_selector("text=4 of 4 files, 1 refused")
    assert "broken.jpg" in page.locator("#list .bad").inner_text()
    page.get_by_role("link", name="Show and describe what came in").click()
    page.get_by_role("button", name="Choose all on this page").click()
    assert page.locator("input[name=ident]:checked").count() == 3
    page.get_by_label("What", exact=True).select_option("add")
    assert page.get_by_label("Field").is_hidden()
    page.get_by_label("Value").fill("sea, summer")
    page.get_by_role("button", name="Do it").click()
    assert "3 of 3 chosen pictures changed" in page.get_by_role("status").first.inner_text()
    page.locator(".chosen a").first.click()
    for number in (1, 2, 3):
        assert page.get_by_label("Tags").input_value() == "sea, summer"
        page.get_by_label("Title").fill(f"Sea, number {number}")
        page.get_by_label("Title").press("Control+Enter")
        page.wait_for_load_state()
    page.get_by_label("Date").fill("last summer")
    page.get_by_role("button", name="Save").first.click()
    assert "YYYY" in page.locator("#w-captured").inner_text()
    assert until(lambda: page.evaluate("document.activeElement.id") == "f-captured")
    page.get_by_label("Date").fill("1901-07")
    page.get_by_label("Put it into the collection too").fill("Seas")
    page.get_by_role("button", name="Save").first.click()
    page.get_by_role("link", name="The sea").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    public = server.http.get("/api/images/?search=sea+number").json()["results"]
    before = len(public)
    page.get_by_role("button", name="Commit: make all of it live").click()
    page.wait_for_selector("text=Live since commit")
    public = server.http.get("/api/images/?search=sea+number").json()["results"]
    assert len(public) == before + 3
    assert {tuple(one["tags"]) for one in public} == {("sea", "summer")}
    assert {one["file_name"] for one in public} == {path.name for path in files[:3]}
    assert "1901-07" in {one["captured"] for one in public}
    wrong = [error for error in watched.errors if "415" not in error and "422" not in error]
    assert wrong == [], "a file that is none, and a date that is none, are told by their statuses"


def test_an_upload_goes_on_after_a_pause_and_after_the_page_was_left(
    server: Server, watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    begun(page, "A large one")
    large = tmp_path / "large.tif"
    Image.frombytes("RGB", (4000, 2400), os.urandom(4000 * 2400 * 3)).save(large)
    slowly = page.context.new_cdp_session(page)
    slowly.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 6_000_000}
    slowly.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#files", large)
    with page.expect_response(lambda answer: answer.request.method == "PATCH" and answer.status == 204):
        pass
    page.get_by_role("button", name="Pause").click()
    address = page.url
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address)
    assert "large.tif" in page.locator("#drop").inner_text()
    page.wait_for_selector("#drop[data-ready]")
    patches: list[int] = []
    page.on(
        "request",
        lambda asked: patches.append(int(asked.headers["upload-offset"])) if asked.method == "PATCH" else None,
    )
    page.set_input_files("#files", large)
    page.wait_for_selector("#list .good")
    assert patches and min(patches) >= 8 << 20, "it went on, and did not begin again"


def test_a_spreadsheet_shows_what_would_change_and_the_session_commits_it(
    server: Server, watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    ident = server.upload(pictures.png(seed=int.from_bytes(os.urandom(3), "big")), title="Before")
    table = tmp_path / "table.csv"
    table.write_text(f"ident,title\n{ident},After\n{'0' * 64},Nobody\n")
    page.get_by_role("link", name="Spreadsheet").click()
    page.set_input_files("#table", table)
    page.get_by_role("button", name="Show what would change").click()
    assert "1 picture would change" in page.get_by_role("status").inner_text()
    assert "line 3" in page.get_by_role("main").inner_text()
    page.get_by_role("link", name="Look at the changes").click()
    change = page.locator(".changes li")
    assert (change.locator("del").inner_text(), change.locator("ins").inner_text()) == ("Before", "After")
    page.get_by_role("button", name="Commit: make all of it live").click()
    page.wait_for_selector("text=Live since commit")
    assert server.http.get(f"/api/images/{ident}/").json()["title"] == "After"


def test_a_collection_is_put_in_order_by_keys_and_shown_to_whom_it_is_for(server: Server, watched: Watched) -> None:
    page, name = watched.page, f"Order {os.urandom(3).hex()}"
    idents = [
        server.upload(pictures.png(seed=int.from_bytes(os.urandom(3), "big")), title=f"No. {n}", collection=name)
        for n in (1, 2, 3)
    ]
    slug = name.lower().replace(" ", "-")
    page.goto(f"{server.url}/desk/collections/{slug}/")
    page.get_by_role("button", name="Move No. 3").press("ArrowUp")
    page.get_by_role("button", name="Move No. 3").press("ArrowUp")
    page.get_by_label("whoever has a login").check()
    page.get_by_role("button", name="Save and publish").click()
    page.wait_for_selector("text=Saved, and live.")
    assert server.http.get(f"/api/collections/{slug}/").status_code == 404
    found = server.writer.get(f"/api/collections/{slug}/").json()
    assert [one["ident"] for one in found["images"]] == [idents[2], idents[0], idents[1]]
    assert found["visibility"] == "login"


def test_a_picture_is_removed_and_brought_back(server: Server, watched: Watched) -> None:
    page = watched.page
    ident = server.upload(pictures.png(seed=int.from_bytes(os.urandom(3), "big")), title="Gone for a while")
    page.goto(f"{server.url}/image/{ident}/")
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove it").click()
    assert server.http.get(f"/image/{ident}/").status_code == 404
    page.get_by_role("button", name="Bring back Gone for a while").first.click()
    page.wait_for_selector("text=It is back, as it was.")
    assert server.http.get(f"/image/{ident}/").status_code == 200
    assert watched.errors == []


@axe.needed
def test_axe_finds_nothing_on_any_page(server: Server, browser: Browser, files: list[Path]) -> None:
    ident = server.upload(pictures.jpeg(700, 500, seed=61), title="For axe", collection="Axe", tags="a, b")
    server.writer.patch(f"/api/images/{ident}/", json={"version": 1, "title": "For axe, again"}).raise_for_status()
    gone = server.upload(pictures.jpeg(700, 500, seed=62), title="Gone for axe")
    server.writer.delete(f"/api/images/{gone}/?version=1").raise_for_status()
    context = browser.new_context(bypass_csp=True, viewport=WIDE)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{server.url}/login/")
    found = axe.violations(page)
    for path in ("/", "/?search=axe", "/?search=zzz", "/collection/", "/collection/axe/", "/collection/axe/read/",
                 f"/image/{ident}/", "/nothing"):  # fmt: skip
        page.goto(f"{server.url}{path}")
        found += axe.violations(page)
    log_in(page, server)
    begun(page, "axe")
    page.set_input_files("#files", files)
    page.wait_for_selector("text=4 of 4 files")
    found += axe.violations(page)
    page.reload()
    found += axe.violations(page)
    session = page.url
    page.locator(".chosen a").first.click()
    found += axe.violations(page)
    page.get_by_label("Date").fill("never")
    page.get_by_role("button", name="Save").first.click()
    found += axe.violations(page)
    for path in (f"{session}abort/", "/desk/", "/desk/images/", f"/desk/images/{ident}/",
                 f"/desk/images/{ident}/remove/",
                 "/desk/removed/", "/desk/tokens/", "/desk/spreadsheet/", "/desk/collections/",
                 "/desk/collections/axe/",
                 "/desk/collections/+/", "/desk/doing/", f"/desk/images/{ident}/history/",
                 "/desk/collections/axe/history/", "/desk/commits/1/"):  # fmt: skip
        page.goto(path if path.startswith("http") else f"{server.url}{path}")
        found += axe.violations(page)
    context.close()
    assert not found, "\n".join(found)


def test_what_was_done_is_seen_and_taken_back(server: Server, watched: Watched) -> None:
    page = watched.page
    ident = server.upload(pictures.png(seed=int.from_bytes(os.urandom(3), "big")), title="First", collection="Undone")
    server.writer.patch(f"/api/images/{ident}/", json={"version": 1, "title": "Second"}).raise_for_status()
    page.goto(f"{server.url}/image/{ident}/")
    page.get_by_role("link", name="Describe").click()
    page.get_by_role("link", name="History").click()
    main = page.get_by_role("main")
    assert "First" in main.locator("del").first.inner_text() and "Second" in main.locator("ins").first.inner_text()
    main.get_by_role("listitem").filter(has_text="described").get_by_role("link").first.click()
    page.get_by_role("button", name="Take it back").click()
    page.get_by_role("button", name="Commit: make all of it live").click()
    assert server.http.get(f"/api/images/{ident}/").json()["title"] == "First"
    page.goto(f"{server.url}/desk/images/{ident}/history/")
    page.get_by_role("button", name="Describe it as it was then").first.click()
    assert "described as after commit" in page.get_by_role("status").inner_text()
    assert server.http.get(f"/api/images/{ident}/").json()["title"] == "Second"
    assert watched.errors == []


def test_without_script_pictures_come_in_and_go_live(server: Server, browser: Browser, files: list[Path]) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=NARROW)  # type: ignore[arg-type]
    page = context.new_page()
    log_in(page, server)
    page.get_by_label("What for").fill("no script")
    page.get_by_role("button", name="Put pictures in").click()
    page.set_input_files("#files", files)
    page.get_by_role("button", name="Send them").click()
    assert "3 pictures came in." in page.get_by_role("status").inner_text()
    assert "broken.jpg" in page.get_by_role("alert").inner_text()
    page.get_by_role("button", name="Commit: make all of it live").click()
    assert "Live since commit" in page.get_by_role("main").inner_text()
    context.close()
