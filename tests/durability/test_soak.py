"""The long randomised run is for `make soak`; here it is short, and shows that it can tell."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.durability.directories import ROOT


@pytest.mark.timeout(300)
def test_a_short_random_run_with_kills_keeps_every_promise() -> None:
    command = [sys.executable, "-m", "tests.durability.soak", "--minutes", "0.15", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-10_000:]
    assert done.stdout.startswith("seed 1; again: make soak MINUTES=0.15 SEED=1")
    assert re.search(r"[1-9][0-9]* +kills$", done.stdout, re.MULTILINE)
