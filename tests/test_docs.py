"""The documentation is held to the code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from mezzotint.settings import Settings

ROOT = Path(__file__).parent.parent
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
SETTINGS = [f for f in dataclasses.fields(Settings) if f.metadata]
ROWS = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]+) \|", CONFIGURATION, re.MULTILINE))


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert set(ROWS) == {next(iter(f.metadata["variables"])) for f in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: str(setting.name))
def test_the_documented_default_is_the_default(setting: object) -> None:
    variable, *aliases = setting.metadata["variables"]  # type: ignore[attr-defined]
    default = setting.metadata["default"]  # type: ignore[attr-defined]
    assert default is None or ROWS[variable].strip() == f"`{default}`"
    assert all(f"`{alias}`" in CONFIGURATION for alias in aliases)


def test_links_between_documents_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_room_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [
        path.name for path in (ROOT / "src" / "mezzotint").iterdir() if path.is_dir() and path.name != "__pycache__"
    ]
    assert all(f"`{room}`" in text for room in rooms)


def test_the_site_of_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path)))
    pages = {path.relative_to(tmp_path).with_suffix(".md") for path in tmp_path.rglob("*.html")}
    assert {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")} <= pages
