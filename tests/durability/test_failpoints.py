"""No failpoint without a test that dies there."""

from __future__ import annotations

import re

from tests.durability.directories import ROOT
from tests.durability.test_kills import CASES, ON_SQLITE


def test_every_failpoint_of_the_source_kills_in_a_test() -> None:
    sources = [path.read_text() for path in (ROOT / "src").rglob("*.py") if path.name != "failpoints.py"]
    written = {name for source in sources for name in re.findall(r"failpoint\(\s*[\"']([^\"']+)[\"']", source)}
    tested = {place.partition(":")[0] for case in CASES + ON_SQLITE for place in (case.at, case.again) if place}
    assert tested == written
    assert sum(len(re.findall(r"\bfailpoint\((?!\s*[\"'])", source)) for source in sources) == 0
