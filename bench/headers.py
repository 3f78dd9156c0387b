"""The worst headers of 200 KB that are known, taken in: memory and CPU of the process, children included."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

from PIL import Image

from bench.figures import Figure, fresh

SIZE = 200_000
MEMORY, SECONDS = 100, 0.5
PROGRAM = """
import resource, sys, time
from pathlib import Path
from mezzotint.derivatives.intake import Intake, MemoryLimit, Spool
from mezzotint.errors import InvalidInput
from mezzotint.names import FORMATS
from mezzotint.transforms.children import Crew
from mezzotint.transforms.rendering import Renderer

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def cpu():
    own, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime

renderer = Renderer(Crew(1), 2 << 30, 60)
limit = MemoryLimit(2 << 30, "MEZZOTINT_DECODE_MEMORY")
intake = Intake(1 << 30, 250_000_000, 1000, limit, FORMATS.keys() - {"svg"}, renderer)

def take(path):
    spool = Spool(Path(sys.argv[2]), open(sys.argv[2], "wb"), 1 << 30)
    spool.write(Path(path).read_bytes())
    try:
        intake.verified(spool)
        return "taken"
    except InvalidInput as error:
        return str(error)[:60]

take(sys.argv[3])  # what is loaded once is loaded
memory, spent = peak(), cpu()
said = take(sys.argv[1])
renderer.close()
theirs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print((peak() - memory) // 1024, round(cpu() - spent, 3), theirs, said)
"""


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


SMALL = Image.new("RGB", (8, 8), (200, 30, 30))


def _png(*chunks: bytes) -> bytes:
    data = _saved(SMALL, "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def _tiff(directories: int) -> bytes:
    """A chain of directories, each of one strip."""
    data, at = b"II*\0" + struct.pack("<I", 16) + bytes(8), 16
    for number in range(directories):
        following = at + 42 if number + 1 < directories else 0
        tags = ((256, 8), (257, 8), (273, 8))
        data += struct.pack("<H", 3) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        data += struct.pack("<I", following)
        at += 42
    return data


def _gif(frames: int) -> bytes:
    data = _saved(Image.new("P", (1, 1)), "GIF")
    start = data.index(b"\x2c", 13)
    return data[:start] + data[start:-1] * frames + b"\x3b"


def _jpeg(segment: bytes) -> bytes:
    data = _saved(SMALL, "JPEG")
    return data[:2] + segment * (SIZE // len(segment)) + data[2:]


def _scans() -> bytes:
    """A progressive picture whose scans say the same again and again."""
    data = _saved(Image.effect_noise((2000, 2000), 9), "JPEG", progressive=True, quality=1)
    last = data.rindex(b"\xff\xda")
    return (data[:-2] + data[last:-2] * (SIZE // max(1, len(data) - 2 - last)))[:SIZE] + b"\xff\xd9"


HEADERS: dict[str, Callable[[], bytes]] = {
    "png: text that inflates": lambda: _png(*[chunk(b"zTXt", b"C\0\0" + zlib.compress(bytes(50_000_000), 9))] * 4),
    "png: a profile that inflates": lambda: _png(chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(190_000_000), 9))),
    "png: chunks": lambda: _png(chunk(b"tEXt", b"") * (SIZE // 12)),
    "jpeg: segments": lambda: _jpeg(b"\xff\xfe\0\2"),
    "jpeg: strays": lambda: _jpeg(b"\xff\0"),
    "jpeg: scans": _scans,
    "gif: frames": lambda: _gif(SIZE // 20),
    "tiff: directories": lambda: _tiff(SIZE // 42),
    "avif: boxes": lambda: _saved(SMALL, "AVIF") + struct.pack(">I4s", 8, b"free") * (SIZE // 8),
    "bmp: 250 megapixels of run lengths": lambda: _run_lengths(15_800),
    "jp2: 100 megapixels of one colour": lambda: _saved(Image.new("L", (10_000, 10_000)), "JPEG2000", no_jp2=True),
}


def _run_lengths(side: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 2, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + 2, 0, 0, 14 + 40 + 1024) + head + bytes(1024) + b"\0\1"


def headers() -> list[Figure]:
    work = fresh("headers")
    (work / "first").write_bytes(_saved(SMALL, "BMP"))
    worst_memory, worst_cpu = (0.0, ""), (0.0, "")
    for name, make in HEADERS.items():
        (work / "header").write_bytes(make())
        command = [sys.executable, "-c", PROGRAM, str(work / "header"), str(work / "spool"), str(work / "first")]
        memory, cpu, child, said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split(
            " ", 3
        )
        print(f"    {name}: {memory} MB, {cpu} s, child {child} MB: {said.strip()}", flush=True)
        worst_memory, worst_cpu = max(worst_memory, (float(memory), name)), max(worst_cpu, (float(cpu), name))
    what = "the worst known header of 200 KB, taken in"
    return [
        Figure(f"{what}: memory of the server ({worst_memory[1]})", f"{worst_memory[0]:.0f} MB", "-",
               worst_memory[0] / MEMORY, f"at most {MEMORY} MB", worst_memory[0] <= MEMORY),
        Figure(f"{what}: CPU ({worst_cpu[1]})", f"{worst_cpu[0]:.2f} s", "-", worst_cpu[0] / SECONDS,
               f"at most {SECONDS} s", worst_cpu[0] <= SECONDS),
    ]  # fmt: skip
