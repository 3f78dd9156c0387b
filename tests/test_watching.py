"""What watches an installation is held to its figures: alert rules, the dashboard, what the docs say to do."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from mezzotint.composites import gauges as composites
from mezzotint.delivery.metrics import Figures
from mezzotint.imagecloud import gauges as imagecloud
from mezzotint.repository import gauges as repository
from mezzotint.wiring import Engine
from tests.backends import promtool_binary

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
ALERTS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "mezzotint.json").read_text())


@pytest.fixture
def samples(engine: Engine) -> set[str]:
    """The names that figures are shown under."""
    assert composites and imagecloud and repository
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        family.name + suffix
        for family in Figures(engine, REGISTRY).collect()
        for suffix in suffixes.get(family.type, [""])
    }


def named(text: str) -> set[str]:
    return set(re.findall(r"\bmezzotint_[a-z_]+", text))


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in ALERTS)
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_rules_and_panels_ask_for_figures_that_there_are(samples: set[str]) -> None:
    assert {name for text in expressions() for name in named(text)} - samples == set()


def test_what_to_do_about_each_alert_is_said() -> None:
    docs = (ROOT / "docs" / "operations.md").read_text()
    assert [rule["alert"] for rule in ALERTS if f"`{rule['alert']}`" not in docs] == []
    tested = (DEPLOY / "prometheus" / "alerts_test.yml").read_text()
    for rule in ALERTS:
        assert f"alertname: {rule['alert']}}}" in tested, "where it is quiet"
        assert f"alertname: {rule['alert']}\n" in tested, "where it is due"


@pytest.mark.processes
@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=["configuration", "alerts"],
)
def test_prometheus_takes_the_rules_and_they_say_when(arguments: tuple[str, ...]) -> None:
    promtool = promtool_binary()
    if not promtool:
        pytest.skip("there is no promtool; on Debian: apt-get install prometheus")
    done = subprocess.run([promtool, *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_two_panels_cover_each_other() -> None:
    covered = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(covered)) == len(covered)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
