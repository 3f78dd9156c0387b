"""What a benchmark gives back, and how it is measured."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

WORK = Path(__file__).parent / "work"
ROUNDS = 3


@dataclass(frozen=True)
class Figure:
    """One row of docs/performance.md. `ratio` is Mezzotint's figure over the floor's."""

    what: str
    ours: str
    floor: str
    ratio: float
    target: str
    met: bool


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def paired(ours: Callable[[], float], floor: Callable[[], float], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Medians of both, and the median of the ratios pair by pair, so that a machine that drifts does not matter."""
    pairs = []
    for _ in range(rounds):
        a = floor()
        b = ours()
        pairs.append((b, a))
        print(f"    ours {b:.3f}  floor {a:.3f}  ratio {b / a:.3f}", flush=True)
    median = statistics.median
    return median(b for b, _ in pairs), median(a for _, a in pairs), median(b / a for b, a in pairs)


def fresh(name: str) -> Path:
    path = WORK / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        sys.exit(f"bench: needs {' '.join(missing)} (on Debian: apt-get install nginx-light wrk iipimage-server)")


def shell(command: str, **options: object) -> str:
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True, **options).stdout  # type: ignore[call-overload,no-any-return]


def run_all(benchmarks: Sequence[Callable[[], list[Figure]]]) -> list[Figure]:
    figures = []
    for benchmark in benchmarks:
        print(f"  {benchmark.__module__.removeprefix('bench.')}", flush=True)
        figures += benchmark()
    return figures
