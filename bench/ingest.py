"""Ingest of 1,000 photographs against `cp`, `sha256sum` and `sync` of the same files."""

from __future__ import annotations

from pathlib import Path

from tests.servers import run

from bench.figures import Figure, fresh, paired, seconds, shell
from bench.photographs import thousand


def ingest() -> list[Figure]:
    folder = thousand()

    def ours() -> float:
        data = fresh("ingest") / "data"
        shell("sync")
        return seconds(lambda: run(data, "ingest", str(folder)).check_returncode())

    def floor() -> float:
        copies: Path = fresh("ingest") / "copies"
        shell("sync")
        return seconds(lambda: shell(f"cp -r {folder} {copies} && sha256sum {copies}/* && sync"))

    a, b, ratio = paired(ours, floor)
    fresh("ingest")
    what = "ingest of 1,000 photographs against cp + sha256sum + sync"
    return [Figure(what, f"{a:.1f} s", f"{b:.1f} s", ratio, "at most 2", ratio <= 2)]
