"""The floor for sizes: a bare libvips loop in two threads that thumbnails the base each time."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["VIPS_CONCURRENCY"] = "1"

import pyvips


def main(out: str, widths: list[int], paths: list[str]) -> None:
    pyvips.cache_set_max(0)

    def one(job: tuple[str, int]) -> None:
        path, width = job
        name = f"{out}/{Path(path).name}-{width}.jpg"
        pyvips.Image.thumbnail(path, width, height=10_000_000).jpegsave(name, Q=80, keep=pyvips.ForeignKeep.NONE)

    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, [(path, width) for path in paths for width in widths]))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(sys.argv[1], [int(width) for width in sys.argv[2].split(",")], sys.argv[3:])
