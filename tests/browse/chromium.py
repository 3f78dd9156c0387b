"""Debian's Chromium, led by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

CHROMIUM = shutil.which("chromium")
needed = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ, reason="Chromium is not installed: apt-get install chromium"
)
PATIENCE = 60_000.0
"""milliseconds"""


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


class Watched:
    """A page, and what went wrong on it: what its console has of errors, and answers that are none."""

    def __init__(self, page: Page) -> None:
        self.page, self.errors, self.asked = page, list[str](), dict[str, int]()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("response", lambda response: self.asked.update({response.url: response.status}))

    def _failed(self, request: Request) -> None:
        """What the browser gave up by itself, as it left the page, is nobody's failure."""
        if request.failure != "net::ERR_ABORTED":
            self.errors.append(f"failed: {request.url}: {request.failure}")

    @property
    def tiles(self) -> dict[str, int]:
        return {url: status for url, status in self.asked.items() if "/iiif/" in url and "default." in url}
