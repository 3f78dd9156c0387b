"""What axe-core finds wrong with a page, in light and dark."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path(".tools/viewers/axe.js").absolute()
needed = pytest.mark.skipif(
    not AXE.exists() and "CI" not in os.environ, reason="axe-core is not installed: frontend/viewers/install.sh"
)
_RUN = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


def violations(page: Page) -> list[str]:
    """A sentence for each, with the elements that it is about. The page is of a context that bypasses the policy."""
    found: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(AXE.read_text())
        told: list[dict[str, Any]] = page.evaluate(_RUN)
        found += [
            f"{scheme} {page.url}: {one['help']}: {[node['html'][:150] for node in one['nodes'][:3]]}" for one in told
        ]
    return found
