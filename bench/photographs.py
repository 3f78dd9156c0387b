"""Real photographs from Debian packages, fetched, never committed."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pyvips

from bench.figures import WORK, shell

PACKAGES = ("mate-backgrounds", "plasma-workspace-wallpapers", "lomiri-wallpapers-20.04")
COUNT = 24


def photographs() -> list[Path]:
    """24 different pictures of 6 to 24 megapixels, as JPEG; what a package has as PNG is encoded at Q92."""
    folder = WORK / "photographs"
    if len(list(folder.glob("*.jpg"))) != COUNT:
        _fetch(folder)
    return sorted(folder.glob("*.jpg"))


def thousand() -> Path:
    """A folder of 1,000 different JPEGs: the photographs, each many times with another comment in it."""
    folder = WORK / "thousand"
    if len(list(folder.glob("*.jpg"))) != 1000:
        folder.mkdir(parents=True, exist_ok=True)
        sources = [path.read_bytes() for path in photographs()]
        for i in range(1000):
            data = sources[i % COUNT]
            comment = f"copy {i:04d}".encode()
            segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
            (folder / f"{i:04d}.jpg").write_bytes(data[:2] + segment + data[2:])
        subprocess.run(["sync"], check=True)
    return folder


def _fetch(folder: Path) -> None:
    unpacked = WORK / "packages"
    unpacked.mkdir(parents=True, exist_ok=True)
    shell(f"apt-get download {' '.join(PACKAGES)}", cwd=unpacked)
    for package in sorted(unpacked.glob("*.deb")):
        shell(f"dpkg-deb -x {package} {unpacked}")
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    for path in sorted(p for p in unpacked.rglob("*") if p.suffix in {".jpg", ".jpeg", ".png"} and p.is_file()):
        image = pyvips.Image.new_from_file(str(path))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if not 6e6 <= image.width * image.height <= 24.5e6 or digest in seen or len(seen) == COUNT:
            continue
        seen.add(digest)
        target = folder / f"{len(seen):02d}.jpg"
        if path.suffix == ".png":
            (image.flatten(background=[255]) if image.hasalpha() else image).jpegsave(str(target), Q=92)
        else:
            target.write_bytes(path.read_bytes())
