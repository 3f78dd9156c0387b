"""Figures as Prometheus reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests import http
from tests.waiting import PATIENCE

Shown = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def shown(url: str) -> Shown:
    """All figures of an exposition, by name and labels."""
    families = text_string_to_metric_families(http.get(url, timeout=PATIENCE).raise_for_status().text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def total(figures: Shown, name: str, **labels: str) -> float:
    """One figure, summed over the labels that are not given."""
    return sum(value for (one, of), value in figures.items() if one == name and labels.items() <= dict(of).items())
