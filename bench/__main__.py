"""Run the benchmarks: all of them, or those that are named. `--write` puts the table into docs/performance.md."""

from __future__ import annotations

import argparse
import os
import platform
import re
from pathlib import Path

from bench.cleaner import cleaner
from bench.cloud import get_image, herd, prefetch
from bench.composites import composites
from bench.coverart import covers, covers_cleaned, covers_missed
from bench.durable import commit, reconcile, restore
from bench.figures import Figure, run_all
from bench.flight import flight
from bench.headers import headers
from bench.ingest import ingest
from bench.memory import memory
from bench.million import million
from bench.remote import upload
from bench.scrub import verify
from bench.served import served
from bench.sizes import sizes
from bench.zoom import zoom

ALL = {
    work.__name__: work
    for work in (
        served,
        sizes,
        headers,
        ingest,
        flight,
        memory,
        cleaner,
        commit,
        restore,
        reconcile,
        upload,
        verify,
        get_image,
        prefetch,
        herd,
        covers,
        covers_missed,
        covers_cleaned,
        composites,
        million,
        zoom,
    )
}
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_TABLE = re.compile(r"(<!-- figures -->\n).*?(<!-- end -->)", re.DOTALL)


def table(figures: list[Figure]) -> str:
    lines = ["| what | Mezzotint | floor or peer | ratio | target | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {f.what} | {f.ours} | {f.floor} | {f.ratio:.2f} | {f.target} | {'met' if f.met else 'missed'} |"
        for f in figures
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=" ".join(ALL))
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(ALL)
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    figures = run_all([ALL[name] for name in arguments.names or ALL])
    made = table(figures)
    print(made)
    if arguments.write:
        machine = f"{len(os.sched_getaffinity(0))} cores, CPython {platform.python_version()}, {platform.system()}\n\n"
        PAGE.write_text(_TABLE.sub(lambda m: m[1] + machine + made + m[2], PAGE.read_text()))


if __name__ == "__main__":
    main()
