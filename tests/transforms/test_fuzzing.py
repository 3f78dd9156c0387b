"""Whatever a file is made into, it is taken or refused in words, in bounded time and memory.

FUZZ_SECONDS makes it go on for longer, from another place each time.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mezzotint.errors import GivenUp, InvalidInput
from mezzotint.transforms import geometry, libvips
from mezzotint.transforms.children import Crew
from mezzotint.transforms.libvips import Source
from mezzotint.transforms.rendering import Renderer
from tests.transforms.rendering import PLENTY, rendition, saved, taken
from tests.transforms.test_fidelity import BMPS, TIFFS, gif
from tests.transforms.test_fidelity import WHOLE as ODD
from tests.transforms.test_refusals import WHOLE

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
EACH = 20
"""files of each kind where no time is given"""
MEMORY = 256 << 20
SEEDS: dict[str, Callable[[], bytes]] = {
    **{name: make for name, make in WHOLE.items() if name != "svg"},
    **{f"odd: {name}": make for name, make in ODD.items()},
    **{f"tiff: {name}": make for name, (make, _) in TIFFS.items()},
    **{f"bmp: {name}": lambda data=data: data for name, data in BMPS.items()},  # type: ignore[misc]
    "frames that are taken away": lambda: gif([((0, 0, 40, 30), 0, 1), ((9, 9, 9, 9), 1, 2), ((0, 0, 4, 4), 3, 1)]),
}
OUTPUTS = ("-w16.png", ".jpg", "-w8.gif", "-x1y1w9h9-9x5.webp")


def mutated(data: bytes, choose: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(choose.randint(1, 5)):
        at = choose.randrange(len(changed))
        if choose.random() < 0.6:
            at = choose.randrange(min(len(changed), 300))  # most is decided in the head
        how = choose.randrange(6)
        if how == 0:
            changed[at] = choose.randrange(256)
        elif how == 1:
            changed[at] ^= 1 << choose.randrange(8)
        elif how == 2:
            changed[at : at + 4] = choose.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\xff\xff")
            )
        elif how == 3:
            del changed[at : at + choose.randint(1, 40)]
        elif how == 4:
            changed[at:at] = changed[: choose.randint(1, 60)]
        else:
            changed[at:at] = choose.randbytes(choose.randint(1, 30))
        if len(changed) < 4:
            return bytes(changed) + data[:8]
    return bytes(changed)


def peak() -> int:
    return next(
        int(line.split()[1]) << 10
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )


@pytest.mark.timeout(600 + SECONDS)
def test_no_file_costs_more_than_a_refusal(tmp_path: Path) -> None:
    renderer = Renderer(Crew(1), MEMORY, 20)
    choose = random.Random(time.time_ns() if SECONDS else 18)
    until, before, slowest = time.monotonic() + SECONDS, peak(), (0.0, "")
    rounds = 0
    while rounds == 0 or time.monotonic() < until:
        rounds += 1
        for name, make in SEEDS.items():
            whole = make()
            for _ in range(EACH):
                data = mutated(whole, choose)
                path = saved(tmp_path, data)  # it is there to look at where this fails
                began = time.process_time()
                with suppress(InvalidInput, GivenUp):
                    facts = taken(path)
                    stored = geometry.stored(facts)
                    if libvips.decoding(path, stored, facts.format) < MEMORY and facts.width * facts.height < PLENTY:
                        source = Source(path, stored, facts.format, True)
                        plan = geometry.plan(rendition(choose.choice(OUTPUTS), facts), facts, stored)
                        if libvips.memory(source, plan, facts.frames) < MEMORY:
                            renderer.render(source, plan)
                slowest = max(slowest, (time.process_time() - began, name))
    renderer.close()
    assert slowest[0] < 30, slowest
    assert peak() - before < MEMORY + (256 << 20)
