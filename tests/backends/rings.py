"""`python rings.py DIRECTORY DEVICE NAME=PORT...`: write Swift's rings of one device each, NAME.ring.gz.

A program of its own because importing Swift brings eventlet into the process, and tests should run without it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from swift.common.ring.builder import RingBuilder  # type: ignore[import-untyped]


def write_ring(path: Path, device: str, port: int) -> None:
    builder = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
    address = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
    builder.add_dev({"region": 1, "zone": 1, "device": device, "weight": 1.0, "meta": ""} | address)
    builder.rebalance()
    builder.get_ring().save(str(path))


if __name__ == "__main__":
    for argument in sys.argv[3:]:
        name, _, port = argument.partition("=")
        write_ring(Path(sys.argv[1]) / f"{name}.ring.gz", sys.argv[2], int(port))
