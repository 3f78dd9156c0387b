"""`mezzotint verify` against `sha256sum` of the same files."""

from __future__ import annotations

from tests.servers import run

from bench.figures import Figure, fresh, paired, seconds, shell
from bench.photographs import thousand


def verify() -> list[Figure]:
    data = fresh("scrub") / "data"
    run(data, "ingest", str(thousand())).check_returncode()
    images = data / "store" / "images"
    shell(f"cat {images}/*/* > /dev/null")
    a, b, ratio = paired(
        lambda: seconds(lambda: run(data, "verify").check_returncode()),
        lambda: seconds(lambda: shell(f"find {images} -type f -print0 | xargs -0 sha256sum")),
    )
    fresh("scrub")
    what = "verify of 1,000 photographs against sha256sum of the same files"
    return [Figure(what, f"{a:.1f} s", f"{b:.1f} s", ratio, "at most 1.3", ratio <= 1.3)]
