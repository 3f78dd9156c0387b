"""Commit, restore and reconcile on synthetic repositories of 1,000 to 1,000,000 images."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.servers import PROGRAM, environment, run

from bench import synthetic
from bench.figures import WORK, Figure, fresh
from mezzotint.objects import DirectoryStore

SMALL, MIDDLE, LARGE = 1_000, 100_000, 1_000_000
_COMMITS = 12

_COMMITTER = """
import json, sys, time
from mezzotint.site.prepare import prepare
assert prepare().alarm is None
from mezzotint.repository import commits, services
from mezzotint.wiring import engine
from tests import pictures
from tests.repository.adding import add_image
taken = []
for commit in range(int(sys.argv[2])):
    session = services.open_session("bench")
    for number in range(100):
        base = engine().bases.add([pictures.png(8, 8, seed=int(sys.argv[1]) + commit * 100 + number)])
        add_image(session, base, {"title": f"harbour in winter {number}", "tags": ["sea", "snow"]})
    started = time.perf_counter()
    commits.commit(session)
    taken.append(time.perf_counter() - started)
print(json.dumps(taken))
"""


def commit() -> list[Figure]:
    large, small = repository(LARGE), repository(SMALL)
    pairs = []
    for turn in range(3):
        a = _committing(large, turn)
        b = _committing(small, turn)
        pairs.append((a, b))
        print(f"    large {a * 1000:.0f} ms  small {b * 1000:.0f} ms", flush=True)
    ratio = statistics.median(a / b for a, b in pairs)
    a, b = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    what = f"commit of 100 images into {LARGE:,} against into {SMALL:,}"
    return [Figure(what, f"{a:.0f} ms", f"{b:.0f} ms", ratio, "at most 1.5", ratio <= 1.5)]


def _committing(data: Path, turn: int) -> float:
    """The median of some commits, in seconds, without the uploads before them."""
    done = subprocess.run(
        [sys.executable, "-c", _COMMITTER, str(10_000 * turn), str(_COMMITS)],
        env=environment(data),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr
    return float(statistics.median(json.loads(done.stdout)[2:]))


def restore() -> list[Figure]:
    data = repository(LARGE)
    synthetic.fresh_data(data)
    seconds, peak, _ = _measured(data, "restore")
    rate = LARGE / seconds
    what = f"restore of {LARGE:,} images from a checkpoint and {LARGE // 20 // synthetic.PER_SEGMENT} segments"
    return [
        Figure(f"{what}: images a second", f"{rate:,.0f}/s", "-", rate / 20_000, "at least 20,000/s", rate >= 20_000),
        Figure(f"{what}: memory", f"{peak:.0f} MB", "-", peak / 500, "at most 500 MB", peak <= 500),
    ]


def reconcile() -> list[Figure]:
    large, middle = repository(LARGE), repository(MIDDLE)
    for data, count in ((large, LARGE), (middle, MIDDLE)):
        if not (data / "objects").exists():
            synthetic.objects(DirectoryStore(data / "store"), count)
            (data / "objects").touch()
    seconds, peak, said = _measured(large, "reconcile", "--json")
    plan = json.loads(said)
    assert plan["entries"] >= LARGE, plan
    assert plan["missing"]["count"] == 0, plan
    _, smaller, _ = _measured(middle, "reconcile", "--json")
    rate, ratio = LARGE / seconds, peak / smaller
    what = f"reconcile over {LARGE:,} objects and entries"
    return [
        Figure(f"{what}: a second", f"{rate:,.0f}/s", "-", rate / 50_000, "at least 50,000/s", rate >= 50_000),
        Figure(
            f"{what}: memory against {MIDDLE:,}",
            f"{peak:.0f} MB",
            f"{smaller:.0f} MB",
            ratio,
            "at most 1.2",
            ratio <= 1.2,
        ),
    ]


def repository(count: int) -> Path:
    """A data directory with a repository of that size, made where it is not there yet."""
    data = WORK / f"repository-{count}"
    if not (data / "journal").exists():
        fresh(data.name)
        synthetic.journal(DirectoryStore(data / "store"), count, count // 20)
        (data / "journal").touch()
    if not (data / "mezzotint.sqlite3").exists():
        run(data, "restore").check_returncode()
    return data


def _measured(data: Path, *arguments: str) -> tuple[float, float, str]:
    """Seconds, megabytes at the peak, and what it said, of one `mezzotint` command."""
    read, write = os.pipe()
    started = time.perf_counter()
    child = os.posix_spawn(
        str(PROGRAM),
        [str(PROGRAM), *arguments],
        environment(data),
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)],
    )
    os.close(write)
    with os.fdopen(read) as output:
        said = output.read()
    _, status, usage = os.wait4(child, 0)
    assert status == 0, said
    assert isinstance(usage, resource.struct_rusage)
    return time.perf_counter() - started, usage.ru_maxrss / 1024, said
